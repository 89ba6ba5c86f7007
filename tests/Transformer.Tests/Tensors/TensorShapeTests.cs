using Transformer.Tensors;

namespace Transformer.Tests.Tensors;

public class TensorShapeTests
{
    [Fact]
    public void Shape_KnowsItsSizes()
    {
        TensorShape shape = new(2, 3, 4);
        Assert.Equal(3, shape.Rank);
        Assert.Equal(24, shape.ElementCount);
        Assert.Equal(6, shape.Rows);
        Assert.Equal(2, shape[0]);
        Assert.Equal(4, shape[^1]);
        Assert.Equal("[2, 3, 4]", shape.ToString());
        Assert.Equal(new long[] { 12, 4, 1 }, shape.ContiguousStrides().ToArray());
    }

    [Fact]
    public void Scalar_HasOneElement()
    {
        TensorShape shape = default;
        Assert.Equal(0, shape.Rank);
        Assert.Equal(1, shape.ElementCount);
        Assert.Equal(1, shape.Rows);
        Assert.Equal(shape, new TensorShape([]));
        Assert.Equal("[]", shape.ToString());
    }

    [Fact]
    public void EmptyAxes_GiveNoElements()
    {
        Assert.Equal(0, new TensorShape(3, 0, 5).ElementCount);
        Assert.Equal(0, new TensorShape(3, 0).Rows);
        Assert.Equal(0, new TensorShape(0, 3).Rows);
    }

    [Fact]
    public void ContiguousStrides_OfManyLargeAxesDoNotOverflow()
    {
        // The strides' product passes 2⁶³; their own values do not.
        TensorShape strides = new TensorShape(32, 8, 4, 512, 512).ContiguousStrides();
        Assert.Equal(new long[] { 8_388_608, 1_048_576, 262_144, 512, 1 }, strides.ToArray());
    }

    [Fact]
    public void Equality_IsByRankAndSizes()
    {
        Assert.True(new TensorShape(2, 3) == new TensorShape(2, 3));
        Assert.True(new TensorShape(2, 3) != new TensorShape(3, 2));
        Assert.False(new TensorShape(2).Equals(new TensorShape(2, 1)));
        Assert.Equal(
            new TensorShape(2, 3).GetHashCode(), new TensorShape(2, 3).GetHashCode());
    }

    [Fact]
    public void WrongSizes_AreRejected()
    {
        Message("TensorShape: axis 1 has size -1; expected 0 or more.",
            () => new TensorShape(2, -1));
        Message("TensorShape: 9 axes given; at most 8 are supported.",
            () => new TensorShape(1, 1, 1, 1, 1, 1, 1, 1, 1));
        Message("TensorShape: the element count exceeds 64 bits.",
            () => new TensorShape(1L << 62, 2));
        Message("TensorShape: the stride of axis 0 is -4; expected 0 or more.",
            () => TensorShape.OfStrides(-4, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new TensorShape(2)[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new TensorShape(2)[-1]);
    }

    private static void Message(string expected, Func<TensorShape> act) =>
        Assert.Equal(expected, Assert.Throws<ArgumentException>(() => act()).Message);
}
