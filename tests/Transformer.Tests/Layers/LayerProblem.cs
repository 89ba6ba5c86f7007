using Transformer.Backends;
using Transformer.Layers;
using Transformer.Ops;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Layers;

/// <summary>A layer on spans with random weights, and the same by separate matrices and ops on
/// contiguous tensors [B, H, S, D] of the reference.</summary>
internal sealed class LayerProblem
{
    private readonly float[] query, key, value, output;
    private readonly float[] queryBias = [], keyBias = [], valueBias = [], outputBias = [];

    public LayerProblem(MultiHeadAttentionOptions options)
    {
        Layer = new(options);
        Options = Layer.Options;
        int heads = Options.Heads * Options.HeadDimension;
        int keys = Options.KeyValueHeads * Options.HeadDimension;
        query = Random(1, heads * Options.Width, Options.Width);
        key = Random(2, keys * Options.MemoryWidth, Options.MemoryWidth);
        value = Random(3, keys * Options.MemoryWidth, Options.MemoryWidth);
        output = Random(4, Options.Width * heads, heads);
        if (Options.Bias)
        {
            (queryBias, keyBias) = (Random(5, heads), Random(6, keys));
            (valueBias, outputBias) = (Random(7, keys), Random(8, Options.Width));
        }

        Layer.Load(new()
        {
            Query = query, Key = key, Value = value, Output = output, QueryBias = queryBias,
            KeyBias = keyBias, ValueBias = valueBias, OutputBias = outputBias,
        });
    }

    public MultiHeadAttention Layer { get; }

    public MultiHeadAttentionOptions Options { get; }

    public static float[] Random(int seed, int count, double width = 1) =>
        [.. Numbers.Normal(seed, count, 1 / Math.Sqrt(width)).Select(x => (float)x)];

    public static double[] Doubles(ReadOnlySpan<float> values) =>
        Array.ConvertAll(values.ToArray(), x => (double)x);

    /// <summary>The layer's output by plain composition.</summary>
    public double[] Composed(
        float[] x, float[] memory, int batch, int queries, int keys, in AttentionOptions options,
        AttentionExtras extras = default)
    {
        int heads = Options.Heads, keyHeads = Options.KeyValueHeads, d = Options.HeadDimension;
        float[] slopes = new float[heads];
        Transformer.Layers.AlibiSlopes.Fill(slopes);
        if (Options.Alibi) extras = extras with { AlibiSlopes = slopes };
        float[] q = Heads(Linear(x, query, queryBias, Options.Width), batch, heads, queries);
        float[] k = Heads(
            Linear(memory, key, keyBias, Options.MemoryWidth), batch, keyHeads, keys);
        float[] v = Heads(
            Linear(memory, value, valueBias, Options.MemoryWidth), batch, keyHeads, keys);
        q = Rotated(q, batch, heads, queries);
        k = Rotated(k, batch, keyHeads, keys);
        float[] attended = new float[q.Length];
        Kernels.FusedAttention.Forward(q, k, v, extras,
            new(batch, heads, keyHeads, queries, keys, d, d), options, attended,
            backend: BackendRegistry.Reference);
        float[] rows = new float[attended.Length];
        for (int i = 0; i < rows.Length; i++) rows[Row(i, heads, queries, d)] = attended[i];
        return Doubles(Linear(rows, output, outputBias, heads * d));
    }

    private static float[] Linear(float[] x, float[] weight, float[] bias, int width)
    {
        int rows = x.Length / width, outputs = weight.Length / width;
        float[] y = new float[rows * outputs];
        Kernels.Linear.Forward(x, weight, bias, new(rows, width, outputs), default, y,
            backend: BackendRegistry.Reference);
        return y;
    }

    private float[] Heads(float[] rows, int batch, int heads, int length)
    {
        Assert.Equal(batch * heads * length * Options.HeadDimension, rows.Length);
        float[] parted = new float[rows.Length];
        for (int i = 0; i < rows.Length; i++)
            parted[i] = rows[Row(i, heads, length, Options.HeadDimension)];
        return parted;
    }

    private float[] Rotated(float[] heads, int batch, int count, int length)
    {
        if (Options.Rotary is not { } rotary) return heads;
        float[] cosines = new float[length * rotary.Dimension / 2];
        float[] sines = new float[cosines.Length], turned = new float[heads.Length];
        RotaryTable.Fill(cosines, sines, length, rotary.Dimension, rotary.Theta);
        Kernels.RotaryEmbedding.Forward(heads, new()
        {
            Cosines = cosines, Sines = sines, MaxPositions = length,
            RotaryDimension = rotary.Dimension, Interleaved = rotary.Interleaved,
        }, default, new(batch, count, length, Options.HeadDimension), turned,
            BackendRegistry.Reference);
        return turned;
    }

    /// <summary>Index in [B, S, H, D] of element i of [B, H, S, D].</summary>
    private static int Row(int i, int heads, int length, int d)
    {
        int s = i / d % length, h = i / (d * length) % heads, b = i / (d * length * heads);
        return ((((b * length) + s) * heads) + h) * d + (i % d);
    }
}
