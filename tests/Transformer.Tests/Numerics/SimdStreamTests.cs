using Transformer.Numerics;
using Transformer.Tensors;
using Norm = Transformer.Ops.LayerNorm;
using RootNorm = Transformer.Ops.RmsNorm;

namespace Transformer.Tests.Numerics;

/// <summary>Results large enough to be stored past the caches equal those of small calls, which
/// are not: the arithmetic of a row is the same.</summary>
public unsafe class SimdStreamTests
{
    private const int Width = 512;
    private const int Rows = (16 << 20) / (Width * sizeof(float));
    private const int Part = 1024;

    [Fact]
    public void LargeResults_EqualThoseOfParts()
    {
        using HostBlock whole = HostMemory.Rent((long)Rows * Width * sizeof(float));
        Span<float> output = new(whole.Pointer<float>(), Rows * Width);
        Assert.True(SimdStream.Pays(whole.Pointer<float>(), Rows, Width));
        Assert.False(SimdStream.Pays(whole.Pointer<float>(), Part, Width));
        float[] x = Values(Rows * Width, 1), dy = Values(Rows * Width, 2);
        float[] weight = Values(Width, 3), bias = Values(Width, 4), mean = new float[Rows];
        float[] scale = new float[Rows], part = new float[Part * Width], sum = new float[Width];
        Norm.Forward(x, weight, bias, new(Rows, Width), default, output, mean, scale);
        for (int row = 0; row < Rows; row += Part)
        {
            Norm.Forward(
                Slice(x, row), weight, bias, new(Part, Width), default, part);
            Assert.True(output.Slice(row * Width, part.Length).SequenceEqual(part));
        }

        Norm.Backward(
            x, weight, mean, scale, dy, new(Rows, Width), output, sum, sum.ToArray());
        for (int row = 0; row < Rows; row += Part)
        {
            Norm.Backward(
                Slice(x, row), weight, mean.AsSpan(row, Part), scale.AsSpan(row, Part),
                Slice(dy, row), new(Part, Width), part, sum, sum.ToArray());
            Assert.True(output.Slice(row * Width, part.Length).SequenceEqual(part));
        }

        RootNorm.Forward(x, weight, new(Rows, Width), default, output, scale);
        for (int row = 0; row < Rows; row += Part)
        {
            RootNorm.Forward(Slice(x, row), weight, new(Part, Width), default, part);
            Assert.True(output.Slice(row * Width, part.Length).SequenceEqual(part));
        }

        RootNorm.Backward(x, weight, scale, dy, new(Rows, Width), output, sum);
        for (int row = 0; row < Rows; row += Part)
        {
            RootNorm.Backward(
                Slice(x, row), weight, scale.AsSpan(row, Part), Slice(dy, row), new(Part, Width),
                part, sum);
            Assert.True(output.Slice(row * Width, part.Length).SequenceEqual(part));
        }
    }

    private static ReadOnlySpan<float> Slice(float[] x, int row) =>
        x.AsSpan(row * Width, Part * Width);

    private static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)(2 * random.NextDouble() - 1);
        return values;
    }
}
