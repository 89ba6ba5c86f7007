using Transformer.Numerics;

namespace Transformer.Tests.Numerics;

public sealed unsafe class PhiloxVectorTests
{
    /// <summary>Every length from nothing to beyond two 512-bit groups, and a first block whose
    /// upper word is not zero: the vector path must give the scalar definition bit for bit.
    /// </summary>
    [Theory]
    [InlineData(0ul)]
    [InlineData(0xFFFF_FFFDul)]
    [InlineData(0x1_0000_0007ul)]
    public void FillUnit_EqualsScalarDefinition(ulong firstBlock)
    {
        const ulong seed = 0x0123_4567_89AB_CDEF;
        for (int blocks = 0; blocks <= 19; blocks++)
        {
            float[] filled = new float[(4 * blocks) + 1];
            filled[^1] = -1;
            fixed (float* pointer = filled)
            {
                PhiloxVector.FillUnit(seed, 7, 99, firstBlock, blocks, pointer);
            }

            for (int i = 0; i < 4 * blocks; i++)
            {
                uint word = Philox.Word(seed, 7, 99, (firstBlock * 4) + (ulong)i);
                Assert.Equal(Philox.ToUnit(word), filled[i]);
            }

            Assert.Equal(-1, filled[^1]);
        }
    }

    /// <summary>Mean and variance of a million draws against the uniform distribution's 1/2 and
    /// 1/12; the bounds are five standard errors.</summary>
    [Fact]
    public void FillUnit_IsUniform()
    {
        const int blocks = 250_000;
        float[] values = new float[4 * blocks];
        fixed (float* pointer = values) PhiloxVector.FillUnit(1, 2, 3, 0, blocks, pointer);
        double mean = values.Average(v => (double)v);
        double variance = values.Average(v => (v - 0.5) * (v - 0.5));
        Assert.InRange(mean, 0.5 - 0.00145, 0.5 + 0.00145);
        Assert.InRange(variance, (1.0 / 12) - 0.00038, (1.0 / 12) + 0.00038);
        Assert.True(values.Min() >= 0 && values.Max() < 1);
    }
}
