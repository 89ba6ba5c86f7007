using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.Add;

public class AddReferenceTests : KernelTest
{
    [Fact]
    public void Forward_AddsElementByElement()
    {
        TestBuffer output = Output(3);
        Reference.Run(new AddForward
        {
            Left = Real([1, 2, double.PositiveInfinity]),
            Right = Real([0.5, -4, 1]),
            Output = output,
            Length = 3,
        });
        Assert.Equal([1.5, -2, double.PositiveInfinity], output.Values);
    }

    [Fact]
    public void Forward_InPlace()
    {
        TestBuffer left = Real([1, 2]);
        TestBuffer right = Real([10, 20]);
        Reference.Run(new AddForward { Left = left, Right = right, Output = left, Length = 2 });
        Assert.Equal([11.0, 22], left.Values);
        Reference.Run(new AddForward { Left = left, Right = right, Output = right, Length = 2 });
        Assert.Equal([21.0, 42], right.Values);
        Reference.Run(new AddForward { Left = left, Right = left, Output = left, Length = 2 });
        Assert.Equal([22.0, 44], left.Values);
    }

    [Fact]
    public void Forward_OfNothing() => Reference.Run(new AddForward());

    [Fact]
    public void Forward_RejectsWrongArguments()
    {
        TestBuffer two = Real([1, 2]);
        AddForward call = new() { Left = two, Right = two, Output = Output(2), Length = 2 };
        Rejects(call with { Length = -1 },
            "Add: 'Length' is -1; expected 0 or more. Pass the tensors' size.");
        Rejects(call with { Right = Real([1]) },
            "Add: 'right' has 1 elements; expected 2 for shape [2]. Pass a buffer of that size.");
        Rejects(call with { Output = default },
            "Add: 'output' has no buffer; expected 2 for shape [2]. Pass a buffer of that size.");
        Rejects(call with { Left = Ints(1, 2) },
            "Add: 'left' is Int32; expected a floating-point type. Convert it first.");
        TestBuffer three = Real([1, 2, 3]);
        Rejects(
            call with { Left = three.View.Slice(0, 2), Output = three.View.Slice(1, 2) },
            "Add: 'output' overlaps 'left'. Pass separate buffers or the very same one.");
    }
}
