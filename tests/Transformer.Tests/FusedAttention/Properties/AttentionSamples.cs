using FsCheck;
using FsCheck.Fluent;
using Transformer.Ops;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>Random attention problems, and the next smaller ones of a problem.</summary>
internal static class AttentionSamples
{
    // Around vector widths and tile edges, with odd ones among them.
    private static readonly int[] Lengths =
        [0, 1, 1, 2, 3, 5, 6, 7, 8, 13, 16, 17, 31, 33, 64, 65, 70];

    private static readonly int[] Dimensions = [1, 2, 3, 7, 8, 15, 16, 17, 24, 32, 33, 40, 65];

    public static Arbitrary<AttentionSample> All { get; } =
        Arb.From(Generator(), s => Smaller(s));

    /// <summary>Those for which something is defined; shrinking stays among them.</summary>
    public static Arbitrary<AttentionSample> Where(Func<AttentionSample, bool> condition) =>
        All.Filter(condition);

    /// <summary>The same samples at every run.</summary>
    public static AttentionSample[] Fixed(int count) =>
        [.. Generator().Sample(count, new Rnd(7), 50)];

    private static Gen<AttentionSample> Generator() =>
        from sized in Sizes()
        from options in Options()
        from mask in Broadcast()
        from bias in Broadcast()
        from infinite in Gen.Elements(false, true)
        from lengths in Gen.OneOf(Gen.Constant<int[]?>(null), Gen.Elements(-1, -1, 0, 1, 4, 16, 40)
            .ArrayOf(3).Select(int[]? (values) => values))
        from layout in Gen.Elements(Enum.GetValues<AttentionLayout>())
        from scores in Gen.Frequency((3, Gen.Constant(ScoreOutput.None)),
            (1, Gen.Elements(Enum.GetValues<ScoreOutput>())))
        from logSumExp in Gen.Elements(true, true, false)
        from terms in Terms()
        select sized with
        {
            PacksQueries = terms.PacksQueries, KeyPlace = terms.KeyPlace, Blocks = terms.Blocks,
            Alibi = terms.Alibi, Sinks = terms.Sinks, Modifier = terms.Modifier,
            Options = options, Mask = mask, Bias = bias, BiasHasInfinity = infinite,
            Lengths = lengths, Layout = layout, Scores = scores, LogSumExp = logSumExp,
        };

    private static Gen<AttentionSample> Terms() =>
        from packs in Gen.Elements(false, false, false, true)
        from place in Gen.Frequency((3, Gen.Constant(AttentionKeyPlace.Padded)),
            (2, Gen.Elements(Enum.GetValues<AttentionKeyPlace>())))
        from blocks in Gen.Elements<AttentionBlockSize?>(
            null, null, null, null, new(1, 1, true), new(4, 3, false), new(16, 64, true))
        from alibi in Gen.Elements(false, false, false, true)
        from sinks in Gen.Elements(false, false, false, true)
        from modifier in Gen.Frequency((3, Gen.Constant(AttentionSampleModifier.None)),
            (1, Gen.Elements(Enum.GetValues<AttentionSampleModifier>())))
        select new AttentionSample
        {
            PacksQueries = packs, KeyPlace = place, Blocks = blocks, Alibi = alibi, Sinks = sinks,
            Modifier = modifier,
        };

    private static Gen<AttentionSample> Sizes() =>
        from batch in Gen.Choose(1, 3)
        from heads in Gen.Choose(1, 3)
        from @group in Gen.Choose(1, 3)
        from queries in Gen.Elements(Lengths)
        from keys in Gen.Elements(Lengths)
        from dimension in Gen.Elements(Dimensions)
        from valueDimension in Gen.Elements(Dimensions)
        from square in Gen.Choose(0, 3)
        select new AttentionSample
        {
            // One in four fits a packed buffer.
            Batch = batch, KeyValueHeads = heads, Group = square == 0 ? 1 : @group,
            Queries = queries, Keys = square == 0 ? queries : keys, Dimension = dimension,
            ValueDimension = square == 0 ? dimension : valueDimension,
        };

    private static Gen<AttentionOptions> Options() =>
        from causal in Gen.Elements(Enum.GetValues<CausalAlignment>())
        from past in Gen.Elements(0, 0, 1, 20, int.MaxValue)
        from left in Gen.Elements(-2, -2, -2, -1, 0, 1, 9, int.MaxValue)
        from right in Gen.Elements(-1, 0, 3, int.MaxValue)
        from cap in Gen.Elements(0, 0, 0, 0.5, 30)
        from scale in Gen.Elements(0, 0, 0.01, 1)
        from buckets in Gen.Elements<RelativePositionBuckets?>(
            null, null, null, null, new(4, 20, true), new(32, 128, false))
        from dropout in Gen.Elements(0, 0, 0, 0.1, 0.5)
        select new AttentionOptions
        {
            RelativeBuckets = buckets, DropoutProbability = dropout,
            Causal = causal, PastLength = past, SoftCap = cap, Scale = scale,
            Window = left < -1 ? null : new AttentionWindow(left, right),
        };

    private static Gen<AttentionBroadcast?> Broadcast() =>
        from present in Gen.Elements(false, false, true)
        from rank in Gen.Choose(1, 4)
        from axes in Gen.Choose(0, 7)
        from missing in Gen.Elements(0, 0, 0, 1, 9, 100)
        select present ? new AttentionBroadcast(
            rank, (axes & 1) != 0, (axes & 2) != 0, (axes & 4) != 0, missing) : null;

    /// <summary>First without an option at all, then with smaller sizes, then with simpler
    /// options.</summary>
    private static IEnumerable<AttentionSample> Smaller(AttentionSample s)
    {
        AttentionOptions o = s.Options;
        if (s.Scores != ScoreOutput.None) yield return s with { Scores = ScoreOutput.None };
        if (s.Layout != AttentionLayout.Default)
            yield return s with { Layout = AttentionLayout.Default };
        if (!s.LogSumExp) yield return s with { LogSumExp = true };
        if (s.Mask is not null) yield return s with { Mask = null };
        if (s.Bias is not null) yield return s with { Bias = null };
        if (s.BiasHasInfinity) yield return s with { BiasHasInfinity = false };
        if (s.Lengths is not null) yield return s with { Lengths = null };
        if (s.PacksQueries) yield return s with { PacksQueries = false };
        if (s.KeyPlace != AttentionKeyPlace.Padded)
            yield return s with { KeyPlace = AttentionKeyPlace.Padded };
        if (s.Blocks is not null) yield return s with { Blocks = null };
        if (s.Alibi) yield return s with { Alibi = false };
        if (s.Sinks) yield return s with { Sinks = false };
        if (s.Modifier != AttentionSampleModifier.None)
            yield return s with { Modifier = AttentionSampleModifier.None };
        if (o.RelativeBuckets is not null)
            yield return s with { Options = o with { RelativeBuckets = null } };
        if (o.DropoutProbability != 0)
            yield return s with { Options = o with { DropoutProbability = 0 } };
        if (o.Window is not null) yield return s with { Options = o with { Window = null } };
        if (o.SoftCap != 0) yield return s with { Options = o with { SoftCap = 0 } };
        if (o.Scale != 0) yield return s with { Options = o with { Scale = 0 } };
        if (o.PastLength != 0) yield return s with { Options = o with { PastLength = 0 } };
        if (o.Causal != CausalAlignment.None)
            yield return s with { Options = o with { Causal = CausalAlignment.None } };
        // Both at once, too: packed tensors need them equal.
        foreach (int n in Towards(1, Math.Min(s.Queries, s.Keys)))
            yield return s with { Queries = n, Keys = n };
        foreach (int n in Towards(1, Math.Min(s.Dimension, s.ValueDimension)))
            yield return s with { Dimension = n, ValueDimension = n };
        foreach (int n in Towards(1, s.Batch)) yield return s with { Batch = n };
        foreach (int n in Towards(1, s.Group)) yield return s with { Group = n };
        foreach (int n in Towards(1, s.KeyValueHeads)) yield return s with { KeyValueHeads = n };
        foreach (int n in Towards(1, s.Dimension)) yield return s with { Dimension = n };
        foreach (int n in Towards(1, s.ValueDimension)) yield return s with { ValueDimension = n };
        foreach (int n in Towards(1, s.Queries)) yield return s with { Queries = n };
        foreach (int n in Towards(1, s.Keys)) yield return s with { Keys = n };
        foreach (AttentionSample simpler in Simpler(s)) yield return simpler;
    }

    private static IEnumerable<AttentionSample> Simpler(AttentionSample s)
    {
        AttentionOptions o = s.Options;
        foreach (int n in Towards(0, o.PastLength))
            yield return s with { Options = o with { PastLength = n } };
        if (o.Window is { } w)
        {
            foreach (int n in Towards(-1, w.Left))
                yield return s with { Options = o with { Window = w with { Left = n } } };
            foreach (int n in Towards(-1, w.Right))
                yield return s with { Options = o with { Window = w with { Right = n } } };
        }

        foreach (AttentionBroadcast mask in Smaller(s.Mask)) yield return s with { Mask = mask };
        foreach (AttentionBroadcast bias in Smaller(s.Bias)) yield return s with { Bias = bias };
        for (int b = 0; b < s.Batch && s.Lengths is { } lengths; b++)
        {
            int[] all = [.. lengths];
            all[b % all.Length] = -1;
            if (lengths[b % all.Length] != -1) yield return s with { Lengths = all };
        }
    }

    private static IEnumerable<AttentionBroadcast> Smaller(AttentionBroadcast? b)
    {
        if (b is null) yield break;
        if (b.OnBatch) yield return b with { OnBatch = false };
        if (b.OnHead) yield return b with { OnHead = false };
        if (b.OnQuery) yield return b with { OnQuery = false };
        if (b.Rank > 1) yield return b with { Rank = b.Rank - 1 };
        foreach (int n in Towards(0, b.MissingKeys)) yield return b with { MissingKeys = n };
    }

    /// <summary>The goal, half of the way, one step.</summary>
    private static IEnumerable<int> Towards(int goal, int value)
    {
        if (value <= goal) yield break;
        yield return goal;
        int half = (int)(goal + (((long)value - goal) / 2));
        if (half != goal) yield return half;
        if (value - 1 != half && value - 1 != goal) yield return value - 1;
    }
}
