using Transformer.Tensors;

namespace Transformer.Tests.Tensors;

public class BFloat16Tests
{
    [Fact]
    public void EveryPattern_WidensAndNarrowsToItself()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            BFloat16 value = BFloat16.FromBits((ushort)bits);
            Assert.Equal((uint)bits << 16, BitConverter.SingleToUInt32Bits(value));
            if (float.IsNaN(value))
            {
                Assert.True(float.IsNaN((BFloat16)(float)value));
                Assert.True(float.IsNaN((BFloat16)(double)value));
                continue;
            }

            Assert.Equal(bits, ((BFloat16)(float)value).Bits);
            Assert.Equal(bits, ((BFloat16)(double)value).Bits);
        }
    }

    [Fact]
    public void Narrowing_TakesTheNearestAndTheEvenOneOfTies()
    {
        // All positive finite neighbours: at their middle the even pattern wins; a hair, of
        // float or of double, to either side decides.
        for (ushort bits = 0; bits < 0x7F7F; bits++)
        {
            float low = BFloat16.FromBits(bits);
            float high = BFloat16.FromBits((ushort)(bits + 1));
            float middle = (float)(((double)low + high) / 2);
            int even = bits + (bits & 1);
            Assert.Equal(even, ((BFloat16)middle).Bits);
            Assert.Equal(bits, ((BFloat16)MathF.BitDecrement(middle)).Bits);
            Assert.Equal(bits + 1, ((BFloat16)MathF.BitIncrement(middle)).Bits);
            Assert.Equal(even, ((BFloat16)(double)middle).Bits);
            Assert.Equal(bits, ((BFloat16)Math.BitDecrement(middle)).Bits);
            Assert.Equal(bits + 1, ((BFloat16)Math.BitIncrement(middle)).Bits);
            Assert.Equal((bits + 1) | 0x8000, ((BFloat16)(-Math.BitIncrement(middle))).Bits);
        }
    }

    [Theory]
    [InlineData(3.3961777e38, 0x7F80)] // half a unit above the largest number, 3.3895314e38
    [InlineData(1e300, 0x7F80)]
    [InlineData(-1e300, 0xFF80)]
    [InlineData(double.PositiveInfinity, 0x7F80)]
    [InlineData(3.39617e38, 0x7F7F)]
    [InlineData(1e-300, 0x0000)]
    [InlineData(-1e-300, 0x8000)]
    [InlineData(0.0, 0x0000)]
    [InlineData(-0.0, 0x8000)]
    public void Narrowing_AtTheEnds(double value, int bits) =>
        Assert.Equal(bits, ((BFloat16)value).Bits);

    [Fact]
    public void Comparison_IsNumeric()
    {
        BFloat16 zero = (BFloat16)0f;
        BFloat16 negativeZero = BFloat16.FromBits(0x8000);
        BFloat16 nan = (BFloat16)float.NaN;
        Assert.True(zero == negativeZero);
        Assert.Equal(zero.GetHashCode(), negativeZero.GetHashCode());
        Assert.False(nan == BFloat16.FromBits(nan.Bits));
        Assert.True((BFloat16)1f < (BFloat16)2f);
        Assert.True((BFloat16)2f >= (BFloat16)2f);
        Assert.Equal("1.5", ((BFloat16)1.5f).ToString());
    }
}
