using Transformer.Tensors;

namespace Transformer.Tests.Tensors;

public class TensorViewTests
{
    [Fact]
    public void Views_SelectTheRightElements()
    {
        using Tensor tensor = Counting(2, 3, 4);
        TensorView view = tensor.StridedView;
        Assert.True(view.IsContiguous);

        TensorView slice = view.Slice(1, 1, 2);
        Assert.False(slice.IsContiguous);
        Assert.Equal([4f, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23], Read(slice));

        TensorView turned = view.Transpose(0, 2);
        Assert.Equal(new TensorShape(4, 3, 2), turned.Shape);
        Assert.Equal([0f, 12, 4, 16, 8, 20], Read(turned.Slice(0, 0, 1)));
        Assert.Equal([3f, 15, 7, 19, 11, 23], Read(turned.Slice(0, 3, 1)));

        TensorView reshaped = view.Reshape(new(6, 4));
        Assert.Equal([20f, 21, 22, 23], Read(reshaped.Slice(0, 5, 1)));
        Assert.Equal(0, view.Slice(2, 4, 0).Shape.ElementCount);
    }

    [Fact]
    public void SizeOneAxes_DoNotMatterForContiguity()
    {
        using Tensor tensor = Counting(1, 4);
        TensorView view = new(tensor.View, new(1, 4), TensorShape.OfStrides(99, 1));
        Assert.True(view.IsContiguous);
    }

    [Fact]
    public void WrongViews_AreRejected()
    {
        using Tensor tensor = Counting(2, 3);
        TensorView view = tensor.StridedView;
        Message("TensorView: range [1, 4) leaves axis 1 of [2, 3].", () => view.Slice(1, 1, 3));
        Message("TensorView: range [-1, 0) leaves axis 0 of [2, 3].", () => view.Slice(0, -1, 1));
        Message("TensorView: [2, 3] with strides [3, 1] cannot be viewed as [4]. Copy it to a " +
            "contiguous tensor of the same element count first.", () => view.Reshape(new(4)));
        Message("TensorView: [3, 2] with strides [1, 3] cannot be viewed as [6]. Copy it to a " +
            "contiguous tensor of the same element count first.",
            () => view.Transpose(0, 1).Reshape(new(6)));
        Message("TensorView: shape [2, 4] with strides [3, 1] reaches element 6; the buffer has 6.",
            () => new(tensor.View, new(2, 4), TensorShape.OfStrides(3, 1)));
        Message("TensorView: shape [2, 3] and strides [1] differ in rank.",
            () => new(tensor.View, new(2, 3), TensorShape.OfStrides(1)));
    }

    private static Tensor Counting(params long[] sizes)
    {
        Tensor tensor = new(new(sizes));
        Span<float> values = tensor.AsSpan<float>();
        for (int i = 0; i < values.Length; i++) values[i] = i;
        return tensor;
    }

    private static float[] Read(TensorView view)
    {
        float[] values = new float[view.Shape.ElementCount];
        long[] sizes = view.Shape.ToArray();
        for (int n = 0; n < values.Length; n++)
        {
            long rest = n;
            long offset = 0;
            for (int axis = sizes.Length - 1; axis >= 0; axis--)
            {
                offset += rest % sizes[axis] * view.Strides[axis];
                rest /= sizes[axis];
            }

            values[n] = view.Buffer.AsSpan<float>()[(int)offset];
        }

        return values;
    }

    private static void Message(string expected, Func<TensorView> act) =>
        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => act()).Message);
}
