using System.Globalization;
using Transformer.Ops;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>Which axes a mask or bias has in full; the others are of size 1.</summary>
/// <param name="Rank">Axes, 1 to 4, right-aligned to [B, Hq, Sq, Skv].</param>
/// <param name="OnBatch">B, if the rank reaches it.</param>
/// <param name="OnHead">Hq, if the rank reaches it.</param>
/// <param name="OnQuery">Sq, if the rank reaches it.</param>
/// <param name="MissingKeys">By how many keys the last axis is shorter.</param>
internal sealed record AttentionBroadcast(
    int Rank, bool OnBatch, bool OnHead, bool OnQuery, int MissingKeys)
{
    public long[] Shape(AttentionSizes s)
    {
        long[] full =
        [
            OnBatch ? s.Batch : 1, OnHead ? s.QueryHeads : 1, OnQuery ? s.QueryLength : 1,
            Math.Max(0, s.KeyLength - MissingKeys),
        ];
        return full[^Rank..];
    }
}

/// <summary>Where the keys of a sequence lie.</summary>
internal enum AttentionKeyPlace
{
    Padded,
    Packed,
    Paged,
}

/// <summary>User code on the scores.</summary>
internal enum AttentionSampleModifier
{
    None,
    Decay,
    Documents,
}

/// <summary>
/// One attention problem of the property tests: sizes and options that are valid together whatever
/// the numbers, so that each can be made smaller by itself.
/// </summary>
internal sealed record AttentionSample
{
    private static readonly ScoreModifier Decay =
        ScoreModifier.OfDifferentiable(new CappedDecay(3));

    private static readonly ScoreModifier Documents =
        ScoreModifier.OfDifferentiable(new DocumentMask(9));

    public int Batch { get; init; } = 1;

    public int KeyValueHeads { get; init; } = 1;

    /// <summary>Query heads of a key/value head.</summary>
    public int Group { get; init; } = 1;

    public int Queries { get; init; } = 1;

    public int Keys { get; init; } = 1;

    public int Dimension { get; init; } = 1;

    public int ValueDimension { get; init; } = 1;

    public AttentionOptions Options { get; init; }

    public AttentionBroadcast? Mask { get; init; }

    public AttentionBroadcast? Bias { get; init; }

    public bool BiasHasInfinity { get; init; }

    /// <summary>Keys of sequence b, at most <see cref="Keys"/>, which -1 stands for; null: all.
    /// </summary>
    public int[]? Lengths { get; init; }

    /// <summary>Sequences have fewer queries than <see cref="Queries"/>, one behind the other.
    /// </summary>
    public bool PacksQueries { get; init; }

    public AttentionKeyPlace KeyPlace { get; init; }

    /// <summary>What a block of the block mask covers; null: no block mask.</summary>
    public AttentionBlockSize? Blocks { get; init; }

    public bool Alibi { get; init; }

    public bool Sinks { get; init; }

    public AttentionSampleModifier Modifier { get; init; }

    public AttentionLayout Layout { get; init; }

    public ScoreOutput Scores { get; init; }

    public bool LogSumExp { get; init; } = true;

    public AttentionSizes Sizes => new(Batch, KeyValueHeads * Group, KeyValueHeads, Queries, Keys,
        Dimension, ValueDimension);

    /// <summary>Keys that count; empty: all.</summary>
    public int[] KeyLengths
    {
        get
        {
            int[] lengths = Lengths ?? (KeyPlace is AttentionKeyPlace.Paged ? [-1] : []);
            if (lengths.Length == 0) return [];
            int[] packed = PackedKeys;
            return [.. Enumerable.Range(0, Batch).Select(b =>
            {
                int most = packed.Length > 0 ? packed[b] : Keys;
                int length = lengths[b % lengths.Length];
                return length < 0 ? most : Math.Min(length, most);
            })];
        }
    }

    /// <summary>The first sequence has all, later ones less.</summary>
    public int[] PackedQueries => PacksQueries
        ? [.. Enumerable.Range(0, Batch).Select(b => Queries / (b + 1))] : [];

    public int[] PackedKeys => KeyPlace == AttentionKeyPlace.Packed
        ? [.. Enumerable.Range(0, Batch).Select(b => Keys - (Keys / 3 * b))] : [];

    /// <summary>The parity case's description of it.</summary>
    public FusedAttentionSpec Spec => new(Sizes)
    {
        Options = Options,
        Layout = Layout != AttentionLayout.PackedQkv || CanBePacked
            ? Layout : AttentionLayout.SequenceMajor,
        MaskShape = Mask?.Shape(Sizes) ?? [],
        BiasShape = Bias?.Shape(Sizes) ?? [],
        BiasHasInfinity = Bias is not null && BiasHasInfinity,
        KeyLengths = KeyLengths,
        PackedQueries = PackedQueries,
        PackedKeys = PackedKeys,
        PageSize = KeyPlace == AttentionKeyPlace.Paged ? 16 : 0,
        Blocks = Queries > 0 && Keys > 0 ? Blocks : null,
        // Slopes times a distance of 2³¹ would leave nothing of a score.
        Alibi = Alibi && (Options.PastLength < 1000 ||
            Options.Causal is CausalAlignment.TopLeft or CausalAlignment.BottomRight),
        Sinks = Sinks,
        Score = Modifier switch
        {
            AttentionSampleModifier.Decay => Decay,
            AttentionSampleModifier.Documents => Documents,
            _ => null,
        },
        Scores = Queries > 0 && Keys > 0 ? Scores : ScoreOutput.None,
        LogSumExp = LogSumExp,
        MayCancel = true,
    };

    // One buffer [B, S, 3, H, D] has one length, one number of heads and one dimension.
    private bool CanBePacked => Group == 1 && Queries == Keys && Queries > 0 &&
        Dimension == ValueDimension && !PacksQueries && KeyPlace == AttentionKeyPlace.Padded;

    public override string ToString()
    {
        string text = Spec.Name;
        CultureInfo invariant = CultureInfo.InvariantCulture;
        if (Options.Scale != 0) text += string.Create(invariant, $", scale {Options.Scale}");
        if (Options.SoftCap != 0) text += string.Create(invariant, $", cap {Options.SoftCap}");
        if (Options.PastLength != 0) text += $", causal {Options.Causal}";
        return text;
    }
}
