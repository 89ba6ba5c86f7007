using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification.Cases;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>What a call wrote, each tensor in its logical order [B, H, S, D].</summary>
internal sealed record AttentionResult(
    float[] Output, float[] LogSumExp, float[] Scores, float[] QueryGradient, float[] KeyGradient,
    float[] ValueGradient, float[] BiasGradient)
{
    /// <summary>Requires the same bits everywhere.</summary>
    public void MustEqual(AttentionResult expected)
    {
        Same("output", expected.Output, Output);
        Same("logSumExp", expected.LogSumExp, LogSumExp);
        Same("scores", expected.Scores, Scores);
        Same("queryGradient", expected.QueryGradient, QueryGradient);
        Same("keyGradient", expected.KeyGradient, KeyGradient);
        Same("valueGradient", expected.ValueGradient, ValueGradient);
        Same("biasGradient", expected.BiasGradient, BiasGradient);
    }

    public static void Same(string name, float[] expected, float[] actual)
    {
        ReadOnlySpan<int> want = MemoryMarshal.Cast<float, int>(expected);
        ReadOnlySpan<int> have = MemoryMarshal.Cast<float, int>(actual);
        if (want.SequenceEqual(have)) return;
        int i = want.CommonPrefixLength(have);
        Assert.Fail(i == Math.Min(want.Length, have.Length)
            ? $"{name} has {have.Length} elements; expected {want.Length}"
            : FormattableString.Invariant(
                $"{name}[{i}] is {actual[i]:g9}; expected the bits of {expected[i]:g9}"));
    }
}

/// <summary>
/// An attention problem with its numbers, in logical order; run through the span entries, where
/// the sample's layout says how they lie in memory.
/// </summary>
internal sealed record AttentionData(AttentionSample Sample)
{
    public required float[] Query { get; init; }

    public required float[] Key { get; init; }

    public required float[] Value { get; init; }

    public required float[] OutputGradient { get; init; }

    public required bool[] Mask { get; init; }

    public required float[] Bias { get; init; }

    public static AttentionData Of(AttentionSample sample, int seed = 5)
    {
        Random random = new(seed);
        AttentionSizes s = sample.Sizes;
        float[] Numbers(long count) =>
            [.. Enumerable.Range(0, (int)count).Select(_ => (2 * random.NextSingle()) - 1)];
        long queries = (long)s.Batch * s.QueryHeads * s.QueryLength;
        long keys = (long)s.Batch * s.KeyValueHeads * s.KeyLength;
        float[] bias = sample.Bias is { } b ? Numbers(Count(b.Shape(s))) : [];
        for (int i = 1; sample.BiasHasInfinity && i < bias.Length; i += 3)
            bias[i] = float.NegativeInfinity;
        return new(sample)
        {
            Query = Numbers(queries * s.HeadDimension),
            Key = Numbers(keys * s.HeadDimension),
            Value = Numbers(keys * s.ValueDimension),
            OutputGradient = Numbers(queries * s.ValueDimension),
            Mask = sample.Mask is { } m
                ? [.. Numbers(Count(m.Shape(s))).Select(x => x > -0.4f)] : [],
            Bias = bias,
        };
    }

    /// <summary>Forward and backward.</summary>
    public AttentionResult Run(Backend? backend = null)
    {
        AttentionSizes s = Sample.Sizes;
        FusedAttentionSpec spec = Sample.Spec;
        Rows query = new(spec.Layout, s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension);
        Rows key = new(spec.Layout, s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension);
        Rows value = new(spec.Layout, s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension);
        Rows result = new(spec.Layout, s.Batch, s.QueryHeads, s.QueryLength, s.ValueDimension);
        AttentionExtras extras = new()
        {
            Mask = Mask,
            MaskShape = Sample.Mask is { } m ? new TensorShape(m.Shape(s)) : default,
            Bias = Bias,
            BiasShape = Sample.Bias is { } b ? new TensorShape(b.Shape(s)) : default,
            KeyLengths = spec.KeyLengths,
            QueryStrides = query.Strides,
            KeyStrides = key.Strides,
            ValueStrides = value.Strides,
            OutputStrides = result.Strides,
        };
        int rows = s.Batch * s.QueryHeads * s.QueryLength;
        float[] q = query.Scatter(Query), k = key.Scatter(Key), v = value.Scatter(Value);
        float[] output = result.Empty(), sum = new float[rows];
        float[] scores =
            spec.Scores == ScoreOutput.None ? [] : new float[rows * s.KeyLength];
        Kernels.FusedAttention.Forward(q, k, v, extras, s, spec.Options, output, sum, scores,
            spec.Scores, backend);
        float[] dq = query.Empty(), dk = key.Empty(), dv = value.Empty();
        float[] db = new float[Bias.Length];
        Kernels.FusedAttention.Backward(q, k, v, output, sum, result.Scatter(OutputGradient),
            extras, s, spec.Options, dq, dk, dv, new() { Bias = db }, backend);
        return new(result.Gather(output), sum, scores, query.Gather(dq), key.Gather(dk),
            value.Gather(dv), db);
    }

    /// <summary>[B, Hkv, Skv]: no query sees the key; a bias of −∞ counts as seeing it.</summary>
    public bool[] HiddenKeys()
    {
        AttentionSizes s = Sample.Sizes;
        FusedAttentionVisibility visibility = new(Sample.Spec, Mask, Blocks);
        return visibility.HiddenKeys();
    }

    private static long Count(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>A tensor [B, H, S, D] in memory.</summary>
    private readonly record struct Rows(
        AttentionLayout Layout, int Batch, int Heads, int Length, int Dimension)
    {
        public AttentionStrides Strides => Layout switch
        {
            AttentionLayout.Default => default,
            AttentionLayout.SequenceMajor =>
                AttentionStrides.SequenceMajor(Heads, Length, Dimension),
            // As a slice of packed queries, keys and values lies.
            AttentionLayout.PackedQkv => AttentionStrides.SequenceMajor(
                Heads, Length, Dimension, 3L * Heads * Dimension),
            _ => AttentionStrides.SequenceMajor(
                Heads, Length, Dimension, ((long)Heads * Dimension) + 5),
        };

        public float[] Empty()
        {
            AttentionStrides stride = Effective;
            long count = Batch * Heads * Length == 0 ? 0 : ((Batch - 1) * stride.Batch) +
                ((Heads - 1) * stride.Head) + ((Length - 1) * stride.Sequence) + Dimension;
            float[] memory = new float[count];
            Array.Fill(memory, float.NaN);
            return memory;
        }

        public float[] Scatter(float[] logical)
        {
            float[] memory = Empty();
            for (int row = 0; row < Batch * Heads * Length; row++)
                logical.AsSpan(row * Dimension, Dimension).CopyTo(memory.AsSpan(Offset(row)));
            return memory;
        }

        public float[] Gather(float[] memory)
        {
            float[] logical = new float[Batch * Heads * Length * Dimension];
            for (int row = 0; row < Batch * Heads * Length; row++)
            {
                memory.AsSpan(Offset(row), Dimension)
                    .CopyTo(logical.AsSpan(row * Dimension));
            }

            return logical;
        }

        private AttentionStrides Effective => Layout == AttentionLayout.Default
            ? AttentionStrides.HeadMajor(Heads, Length, Dimension) : Strides;

        private int Offset(int row)
        {
            (int outer, int position) = Math.DivRem(row, Length);
            (int batch, int head) = Math.DivRem(outer, Heads);
            AttentionStrides stride = Effective;
            return (int)((batch * stride.Batch) + (head * stride.Head) +
                (position * stride.Sequence));
        }
    }
}
