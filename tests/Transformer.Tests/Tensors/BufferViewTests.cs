using Transformer.Tensors;

namespace Transformer.Tests.Tensors;

public class BufferViewTests
{
    [Fact]
    public void Default_IsAbsent()
    {
        BufferView view = default;
        Assert.True(view.IsAbsent);
        Assert.False(view.IsPresent);
        Assert.Equal(0, view.Length);
        Assert.False(view.Overlaps(view));
        Assert.True(view.AsSpan<float>().IsEmpty);
    }

    [Fact]
    public unsafe void Slices_PointIntoTheBuffer()
    {
        int[] values = [1, 2, 3, 4];
        fixed (int* pointer = values)
        {
            BufferView view = BufferView.Of(pointer, 4);
            Assert.Equal(DType.Int32, view.DType);
            Assert.Equal(new[] { 2, 3 }, view.Slice(1, 2).AsSpan<int>().ToArray());
            Assert.Equal(0, view.Slice(4, 0).Length);
            Message("BufferView: range [3, 5) leaves the 4 elements.", view, 3, 2);
            Message("BufferView: range [-1, 0) leaves the 4 elements.", view, -1, 1);
            Message("BufferView: range [0, -1) leaves the 4 elements.", view, 0, -1);
        }
    }

    [Theory]
    [InlineData(0, 4, 4, 4, false)]
    [InlineData(0, 5, 4, 4, true)]
    [InlineData(4, 4, 0, 4, false)]
    [InlineData(2, 1, 0, 8, true)]
    [InlineData(2, 0, 0, 8, false)]
    public void Overlaps_CountsBytes(
        int start, int length, int otherStart, int otherLength, bool expected)
    {
        using Tensor tensor = new(new(8));
        BufferView view = tensor.View.Slice(start, length);
        BufferView other = tensor.View.Slice(otherStart, otherLength);
        Assert.Equal(expected, view.Overlaps(other));
        Assert.Equal(expected, other.Overlaps(view));
    }

    private static void Message(string expected, BufferView view, long start, long length) =>
        Assert.Equal(
            expected, Assert.Throws<ArgumentException>(() => view.Slice(start, length)).Message);
}
