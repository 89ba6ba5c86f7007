using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Tests.Numerics;

/// <summary>Runs convert as single numbers do, at every length and tail.</summary>
public sealed unsafe class FloatStorageTests
{
    // Powers of two of all sizes, ties between neighbours of both types and their own neighbours,
    // subnormal numbers of both, the largest ones, what overflows Half, infinities, NaN.
    private static readonly uint[] Words =
    [
        .. Enumerable.Range(0, 256).Select(e => (uint)e << 23),
        .. new uint[] { 0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x3F801000, 0x3F803000 },
        .. new uint[] { 0x3F800FFF, 0x3F801001, 0x00000001, 0x007FFFFF, 0x33000000, 0x33000001 },
        .. new uint[] { 0x477FEFFF, 0x477FF000, 0x7F7FFFFF, 0x7F7F8000, 0x7FC00000, 0x7F800001 },
        .. new uint[] { 0x7FBFFFFF, 0x7FFFFFFF, 0x387FE000, 0x387FF000, 0x3FFFFFFF },
    ];

    private static readonly float[] Values =
    [
        .. Words.SelectMany(w => new[] { w, w | 0x80000000 })
            .Select(BitConverter.UInt32BitsToSingle),
    ];

    [Fact]
    public void Narrow_RoundsEveryNumberAsTheScalarConversion()
    {
        for (int count = 0; count <= Values.Length; count += count < 70 ? 1 : 97)
        {
            float[] source = [.. Values.TakeLast(count)];
            Half[] halves = [.. Enumerable.Repeat((Half)7, count + 1)];
            BFloat16[] brains = [.. Enumerable.Repeat((BFloat16)7f, count + 1)];
            fixed (float* from = source)
            fixed (Half* h = halves)
            fixed (BFloat16* b = brains)
            {
                FloatStorage.Narrow(DType.Float16, from, h, count);
                FloatStorage.Narrow(DType.BFloat16, from, b, count);
            }

            for (int i = 0; i < count; i++)
            {
                // Which NaN comes out of which is not said for Half.
                if (float.IsNaN(source[i])) Assert.True(Half.IsNaN(halves[i]));
                else Assert.Equal(Bits((Half)source[i]), Bits(halves[i]));
                Assert.Equal(((BFloat16)source[i]).Bits, brains[i].Bits);
            }

            Assert.Equal((Half)7, halves[count]);
            Assert.Equal(7f, brains[count]);
        }
    }

    [Fact]
    public void Widen_IsExactForEveryNumber()
    {
        ushort[] words = [.. Enumerable.Range(0, 65536).Select(w => (ushort)w)];
        float[] wide = new float[65535];
        fixed (ushort* from = words)
        fixed (float* to = wide)
        {
            FloatStorage.Widen(DType.BFloat16, from + 1, to, 65535);
            for (int i = 0; i < 65535; i++)
                Assert.Equal((uint)words[i + 1] << 16, BitConverter.SingleToUInt32Bits(wide[i]));
            FloatStorage.Widen(DType.Float16, from + 1, to, 65535);
            for (int i = 0; i < 65535; i++)
                Assert.Equal((float)BitConverter.UInt16BitsToHalf(words[i + 1]), wide[i]);
        }
    }

    private static ushort Bits(Half value) => BitConverter.HalfToUInt16Bits(value);
}
