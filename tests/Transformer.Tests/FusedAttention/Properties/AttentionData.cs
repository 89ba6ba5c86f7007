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
    float[] ValueGradient, float[] BiasGradient, float[] RelativeGradient, float[] SinkGradient)
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
        Same("relativeBiasGradient", expected.RelativeGradient, RelativeGradient);
        Same("sinkGradient", expected.SinkGradient, SinkGradient);
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

    public required bool[] Blocks { get; init; }

    public required float[] RelativeBias { get; init; }

    public required float[] Sinks { get; init; }

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
            Blocks = sample.Spec.Blocks is { } size
                ? [.. Numbers(Count(size, s)).Select(x => x > -0.4f)] : [],
            RelativeBias = sample.Options.RelativeBuckets is { } buckets
                ? Numbers((long)buckets.Count * s.QueryHeads) : [],
            Sinks = sample.Sinks ? Numbers(s.QueryHeads) : [],
        };
    }

    /// <summary>Forward and backward.</summary>
    public AttentionResult Run(Backend? backend = null)
    {
        AttentionSizes s = Sample.Sizes;
        FusedAttentionSpec spec = Sample.Spec;
        AttentionRows query = AttentionRows.OfQueries(spec, s.HeadDimension);
        AttentionRows key = AttentionRows.OfKeys(spec, s.HeadDimension);
        AttentionRows value = AttentionRows.OfKeys(spec, s.ValueDimension);
        AttentionRows result = AttentionRows.OfQueries(spec, s.ValueDimension);
        AttentionExtras extras = Extras(spec) with
        {
            QueryStrides = query.Strides,
            KeyStrides = key.Strides,
            ValueStrides = value.Strides,
            OutputStrides = result.Strides,
        };
        float[] q = query.Scatter(Query), k = key.Scatter(Key), v = value.Scatter(Value);
        int rows = spec.PackedQueries.Length > 0
            ? spec.PackedQueries.Sum() : s.Batch * s.QueryLength;
        float[] output = result.Empty(), sum = new float[rows * s.QueryHeads];
        float[] scores = spec.Scores == ScoreOutput.None
            ? [] : new float[s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength];
        Kernels.FusedAttention.Forward(q, k, v, extras, s, spec.Options, output, sum, scores,
            spec.Scores, backend);
        float[] dq = query.Empty(), dk = key.Empty(), dv = value.Empty();
        float[] bias = new float[Bias.Length], relative = new float[RelativeBias.Length];
        float[] sinks = new float[Sinks.Length];
        Kernels.FusedAttention.Backward(q, k, v, output, sum, result.Scatter(OutputGradient),
            extras, s, spec.Options, dq, dk, dv,
            new() { Bias = bias, RelativeBias = relative, Sinks = sinks }, backend);
        return new(result.Gather(output), sum, scores, query.Gather(dq), key.Gather(dk),
            value.Gather(dv), bias, relative, sinks);
    }

    private AttentionExtras Extras(FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        return new()
        {
            Mask = Mask,
            MaskShape = Sample.Mask is { } m ? new TensorShape(m.Shape(s)) : default,
            Bias = Bias,
            BiasShape = Sample.Bias is { } b ? new TensorShape(b.Shape(s)) : default,
            KeyLengths = spec.KeyLengths,
            QueryOffsets = AttentionRows.Offsets(spec.PackedQueries),
            KeyOffsets = AttentionRows.Offsets(spec.PackedKeys),
            BlockTable = AttentionRows.BlockTable(spec),
            PageSize = spec.PageSize,
            PageCount = AttentionRows.Pages(spec),
            BlockMask = Blocks,
            BlockSize = spec.Blocks ?? default,
            AlibiSlopes = spec.Alibi
                ? Enumerable.Range(1, s.QueryHeads).Select(h => MathF.Pow(2, -h)).ToArray()
                : default,
            RelativeBias = RelativeBias,
            Sinks = Sinks,
            DropoutSeed = 11,
            DropoutStep = 5,
            Score = spec.Score,
        };
    }

    /// <summary>[B, Hkv, Skv]: no query sees the key; a bias of −∞ counts as seeing it.</summary>
    public bool[] HiddenKeys()
    {
        FusedAttentionVisibility visibility = new(Sample.Spec, Sample.Mask is null ? null : Mask,
            Blocks.Length == 0 ? null : Blocks);
        return visibility.HiddenKeys();
    }

    private static long Count(AttentionBlockSize size, AttentionSizes s) =>
        (size.PerHead ? s.QueryHeads : 1) *
        (((long)s.QueryLength + size.QueryBlock - 1) / size.QueryBlock) *
        (((long)s.KeyLength + size.KeyBlock - 1) / size.KeyBlock);

    private static long Count(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);
}
