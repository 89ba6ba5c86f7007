using Transformer.Backends;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.TopK;

/// <summary>Top-k on both CPU backends: order, ties and what is not a number.</summary>
public class TopKTests : KernelTest
{
    private const float Infinity = float.PositiveInfinity, NaN = float.NaN;

    public static TheoryData<string> Backends => ["reference", "simd"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void ByHand(string backend)
    {
        float[] input = [1, 5, -2, 5, 0, /**/ -1, -Infinity, -3, -1, -2];
        (int[] indices, float[] values) = Take(input, 2, 3, backend);
        Assert.Equal([1, 3, 0, 0, 3, 4], indices);
        Assert.Equal([5, 5, 1, -1, -1, -2], values);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void NotANumber_ComesFirst(string backend)
    {
        float[] input = [1, NaN, Infinity, -NaN, -Infinity];
        (int[] indices, float[] values) = Take(input, 1, 5, backend);
        Assert.Equal([1, 3, 2, 0, 4], indices);
        Assert.Equal([NaN, NaN, Infinity, 1, -Infinity], values);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void ZerosOfBothSigns_AreEqual(string backend)
    {
        float[] input = [-0f, 0f, -1, 0f, -0f];
        (int[] indices, float[] values) = Take(input, 1, 4, backend);
        Assert.Equal([0, 1, 3, 4], indices);
        Assert.Equal([true, false, false, true], values.Select(float.IsNegative));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void ArgMax_IsTheFirstOfEqualOnes(string backend)
    {
        float[] input = [.. Enumerable.Range(0, 200).Select(i => (float)(i % 50))];
        int[] place = new int[1];
        Kernels.TopK.ArgMax(input, 1, 200, place, Backend(backend));
        Assert.Equal(49, place[0]);
    }

    // Each element is larger than all before it: all of them go through the heap.
    [Fact]
    public void RisingRow_GivesItsEnd()
    {
        float[] input = [.. Enumerable.Range(0, 5000).Select(i => i - 2500f)];
        (int[] indices, float[] values) = Take(input, 1, 300, "simd");
        Assert.Equal(Enumerable.Range(0, 300).Select(i => 4999 - i), indices);
        Assert.Equal(Enumerable.Range(0, 300).Select(i => 2499f - i), values);
    }

    [Theory]
    [InlineData(0, "TopK: 'Count' is 0; expected a number from 1 to 4.")]
    [InlineData(5, "TopK: 'Count' is 5; expected a number from 1 to 4.")]
    public void BadCount_IsRefused(int count, string told)
    {
        string message = Assert.Throws<ArgumentException>(
            () => Kernels.TopK.Forward(new float[8], new(2, 4, count), new int[2 * count])).Message;
        Assert.StartsWith(told, message, StringComparison.Ordinal);
    }

    private static (int[] Indices, float[] Values) Take(
        float[] input, int rows, int count, string backend)
    {
        int[] indices = new int[rows * count];
        float[] values = new float[rows * count];
        Kernels.TopK.Forward(
            input, new(rows, input.Length / rows, count), indices, values, Backend(backend));
        return (indices, values);
    }

    private static Backend Backend(string name) => BackendRegistry.Find(name);
}
