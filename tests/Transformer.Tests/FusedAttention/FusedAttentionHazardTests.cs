using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Attention = Transformer.Ops.FusedAttention;

namespace Transformer.Tests.FusedAttention;

/// <summary>Calls that could go wrong without a word: shared gradients, NaN, tiny caps.</summary>
public class FusedAttentionHazardTests
{
    [Fact]
    public unsafe void BiasGradient_WhoseRowsOverlap_IsRefused()
    {
        float[] data = new float[200 * 16], bias = new float[400], sums = new float[200];
        ArgumentException exception = Assert.Throws<ArgumentException>(() =>
        {
            fixed (float* x = data, b = bias, l = sums, g = new float[400], o = new float[3200],
                dq = new float[3200], dk = new float[3200], dv = new float[3200])
            {
                Attention.Backward(new AttentionBackward
                {
                    Inputs = new()
                    {
                        Query = BufferView.Of(x, 3200),
                        Key = BufferView.Of(x, 3200),
                        Value = BufferView.Of(x, 3200),
                        Bias = BufferView.Of(b, 400),
                        BiasLayout = new(0, 0, 1, 200),
                        Sizes = new(1, 1, 1, 200, 200, 16, 16),
                    },
                    Output = BufferView.Of(x, 3200),
                    LogSumExp = BufferView.Of(l, 200),
                    OutputGradient = BufferView.Of(o, 3200),
                    QueryGradient = BufferView.Of(dq, 3200),
                    KeyGradient = BufferView.Of(dk, 3200),
                    ValueGradient = BufferView.Of(dv, 3200),
                    BiasGradient = BufferView.Of(g, 400),
                });
            }
        });
        Assert.Equal("FusedAttention: 'biasGradient' is written, but with the bias's strides (0, " +
            "0, 1, 1) rows of 200 keys overlap. Copy the bias to rows that lie apart.",
            exception.Message);
    }

    [Theory]
    [InlineData(0, 4, false)]
    [InlineData(0, 32, true)]
    [InlineData(8, 0, false)]
    public void Gradients_WithStatedStrides_MayNotOverlap(int query, int key, bool fits)
    {
        AttentionSizes sizes = new(1, 1, 1, 8, 8, 4, 4);
        float[] x = new float[32], gradients = new float[96], sums = new float[8];
        AttentionExtras extras = new() { QueryStrides = AttentionStrides.HeadMajor(1, 8, 4) };
        string? message = null;
        try
        {
            Attention.Backward(x, x, x, x, sums, new float[32], extras, sizes, default,
                gradients.AsSpan(query, 32), gradients.AsSpan(key, 32),
                gradients.AsSpan(64, 32));
        }
        catch (ArgumentException exception)
        {
            message = exception.Message;
        }

        Assert.Equal(fits ? null : "FusedAttention: 'queryGradient' overlaps 'keyGradient'. Pass " +
            "separate buffers.", message);
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void NaN_OfOneQuery_SpoilsOnlyTheKeysThatItSees(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        AttentionSizes sizes = new(1, 1, 1, 2, 64, 4, 4);
        float[] query = [float.NaN, 0, 0, 0, 1, 1, 1, 1], key = new float[256];
        float[] output = new float[8], sums = new float[2], weights = new float[128];
        Array.Fill(key, 0.5f);
        bool[] mask = new bool[128];
        for (int j = 0; j < 64; j++) (mask[j], mask[64 + j]) = (j is 0 or 63, true);
        AttentionExtras extras = new() { Mask = mask, MaskShape = new(2, 64) };
        Attention.Forward(query, key, key, extras, sizes, default, output, sums, weights,
            ScoreOutput.Probabilities, backend);
        float[] dq = new float[8], dk = new float[256], dv = new float[256];
        Attention.Backward(query, key, key, output, sums, [1, 1, 1, 1, 1, 1, 1, 1], extras, sizes,
            default, dq, dk, dv, default, backend);
        for (int j = 0; j < 64; j++)
        {
            bool spoiled = j is 0 or 63;
            Assert.Equal(spoiled, float.IsNaN(weights[j]));
            Assert.Equal(spoiled, float.IsNaN(dk[4 * j]));
            Assert.Equal(spoiled, float.IsNaN(dv[4 * j]));
        }
    }

    [Fact]
    public void SoftCap_ThatBinary32CannotDivideBy_IsRefused()
    {
        float[] x = new float[4], output = new float[4];
        ArgumentException exception = Assert.Throws<ArgumentException>(() => Attention.Forward(
            x, x, x, new(1, 1, 1, 1, 1, 4, 4), new AttentionOptions { SoftCap = 1e-40 }, output));
        Assert.Equal("FusedAttention: 'SoftCap' is 1E-40; expected 0, or 1.1754944E-38 and more, " +
            "which binary32 can divide by. Use 0 for no cap.", exception.Message);
    }
}
