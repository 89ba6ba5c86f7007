using Transformer.Ops;

namespace Transformer.Cli.Commands.Bench;

/// <summary>A call with its operands.</summary>
/// <param name="Run">Makes the call.</param>
/// <param name="OperandBytes">Inputs and outputs together.</param>
internal sealed record ScalingWork(Action Run, long OperandBytes)
{
    private const int Heads = 2, Dimension = 64, Rows = 512;

    /// <summary>What stays while the length grows.</summary>
    public static string AttentionShape => $"batch 1, {Heads} heads of {Dimension}";

    /// <summary>What stays while the width grows.</summary>
    public static string RowsShape => $"{Rows} tokens";

    /// <summary>Self-attention.</summary>
    public static ScalingWork Attention(int length, AttentionOptions options)
    {
        Arrays arrays = new();
        int count = Heads * length * Dimension;
        float[] query = arrays.Random(count), key = arrays.Random(count);
        float[] value = arrays.Random(count), output = arrays.Random(count);
        return new(
            () => FusedAttention.Forward(query, key, value, Sizes(length), options, output),
            arrays.Bytes);
    }

    /// <summary>Self-attention and its gradients.</summary>
    public static ScalingWork AttentionBothWays(int length, AttentionOptions options)
    {
        Arrays arrays = new();
        int count = Heads * length * Dimension;
        float[] query = arrays.Random(count), key = arrays.Random(count);
        float[] value = arrays.Random(count), output = arrays.Random(count);
        float[] logSumExp = arrays.Random(Heads * length), gradient = arrays.Random(count);
        float[] dQuery = arrays.Random(count), dKey = arrays.Random(count);
        float[] dValue = arrays.Random(count);
        return new(() =>
        {
            FusedAttention.Forward(
                query, key, value, Sizes(length), options, output, logSumExp);
            FusedAttention.Backward(query, key, value, output, logSumExp, gradient,
                Sizes(length), options, dQuery, dKey, dValue);
        }, arrays.Bytes);
    }

    /// <summary>A linear layer as wide as its input.</summary>
    public static ScalingWork Linear(int width)
    {
        Arrays arrays = new();
        float[] input = arrays.Random(Rows * width), weight = arrays.Random(width * width);
        float[] bias = arrays.Random(width), output = arrays.Random(Rows * width);
        return new(() => Ops.Linear.Forward(input, weight, bias, new(Rows, width, width), default,
            output), arrays.Bytes);
    }

    /// <summary>A feed-forward network four times as wide inside.</summary>
    public static ScalingWork FeedForward(int width)
    {
        Arrays arrays = new();
        float[] input = arrays.Random(Rows * width), output = arrays.Random(Rows * width);
        float[] weight1 = arrays.Random(4 * width * width), bias1 = arrays.Random(4 * width);
        float[] weight2 = arrays.Random(4 * width * width), bias2 = arrays.Random(width);
        return new(() => GeluFeedForward.Forward(input, new FeedForwardParameters<float>
        {
            Weight1 = weight1, Bias1 = bias1, Weight2 = weight2, Bias2 = bias2,
        }, new(Rows, width, 4 * width, width), new() { Activation = Activation.GeluTanh },
            output), arrays.Bytes);
    }

    /// <summary>Residual add and layer normalisation.</summary>
    public static ScalingWork LayerNorm(int width)
    {
        Arrays arrays = new();
        float[] input = arrays.Random(Rows * width), residual = arrays.Random(Rows * width);
        float[] weight = arrays.Random(width), bias = arrays.Random(width);
        float[] output = arrays.Random(Rows * width), sum = arrays.Random(Rows * width);
        return new(() => Ops.LayerNorm.Forward(input, residual, weight, bias, new(Rows, width),
            default, output, sum, default, default), arrays.Bytes);
    }

    private static AttentionSizes Sizes(int length) =>
        new(1, Heads, Heads, length, length, Dimension, Dimension);

    /// <summary>Makes and counts arrays of random numbers, outputs as well: their pages are then
    /// in memory before the call.</summary>
    private sealed class Arrays
    {
        private int seed;

        public long Bytes { get; private set; }

        public float[] Random(int count)
        {
            float[] values = GC.AllocateUninitializedArray<float>(count);
            Random random = new(++seed);
            for (int i = 0; i < count; i++) values[i] = random.NextSingle() - 0.5f;
            Bytes += (long)count * sizeof(float);
            return values;
        }
    }
}
