using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>How the tensors of an attention case lie in memory.</summary>
internal enum AttentionLayout
{
    /// <summary>What absent strides mean: [B, H, S, D]; packed and paged tensors position by
    /// position.</summary>
    Default,

    /// <summary>[B, S, H, D].</summary>
    SequenceMajor,

    /// <summary>One buffer [B, S, 3, H, D] holds query, key and value.</summary>
    PackedQkv,

    /// <summary>[B, S, H·D + 5]: five elements between rows belong to nobody.</summary>
    Gapped,

    /// <summary>Packed and paged tensors head by head: [H, total, D], [pages, H, PageSize, D].
    /// </summary>
    HeadsOutside,
}

/// <summary>Sizes and options of an attention case.</summary>
internal sealed record FusedAttentionSpec(AttentionSizes Sizes)
{
    public AttentionOptions Options { get; init; }

    public AttentionLayout Layout { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; empty: no mask.</summary>
    public long[] MaskShape { get; init; } = [];

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; empty: no bias.</summary>
    public long[] BiasShape { get; init; } = [];

    public bool BiasHasInfinity { get; init; }

    /// <summary>Keys of each sequence that count; empty: all.</summary>
    public int[] KeyLengths { get; init; } = [];

    /// <summary>Queries of each sequence, packed; empty: not packed.</summary>
    public int[] PackedQueries { get; init; } = [];

    /// <summary>Keys of each sequence, packed; empty: not packed.</summary>
    public int[] PackedKeys { get; init; } = [];

    /// <summary>Keys of a page, in shuffled order; 0: not paged.</summary>
    public int PageSize { get; init; }

    /// <summary>What a block of the block mask covers; null: no block mask.</summary>
    public AttentionBlockSize? Blocks { get; init; }

    public bool Alibi { get; init; }

    public bool Sinks { get; init; }

    /// <summary>The last head's sink is −∞.</summary>
    public bool SinksHaveInfinity { get; init; }

    public ScoreModifier? Score { get; init; }

    public ScoreOutput Scores { get; init; }

    public bool LogSumExp { get; init; } = true;

    /// <summary>Scores reach ±10,000; they are exact multiples of 1/16.</summary>
    public bool LargeLogits { get; init; }

    /// <summary>Keys that no query sees hold NaN, their values infinity.</summary>
    public bool PlantsHidden { get; init; } = true;

    /// <summary>Errors count against the size of the terms of a sum instead of the results: of
    /// random problems, whose few results may cancel.</summary>
    public bool MayCancel { get; init; }

    /// <summary>Standard deviation of the scores of normal queries and keys, 1 by default.
    /// </summary>
    public double ScoreDeviation =>
        Options.Scale == 0 ? 1 : Options.Scale * Math.Sqrt(Sizes.HeadDimension);

    /// <summary>Repeated on 16-bit tensors.</summary>
    public bool SixteenBit { get; init; }

    /// <summary>Belongs to the quick subset.</summary>
    public bool Quick { get; init; }

    /// <summary>Queries of a sequence.</summary>
    public int Queries(int batch) =>
        PackedQueries.Length > 0 ? PackedQueries[batch] : Sizes.QueryLength;

    /// <summary>Keys of a sequence that lie in memory.</summary>
    public int StoredKeys(int batch) => PageSize > 0
        ? KeyLengths[batch] : PackedKeys.Length > 0 ? PackedKeys[batch] : Sizes.KeyLength;

    /// <summary>Keys of a sequence that count.</summary>
    public int Keys(int batch) =>
        KeyLengths.Length > 0 ? KeyLengths[batch] : StoredKeys(batch);

    public string Name
    {
        get
        {
            AttentionSizes s = Sizes;
            string size = FormattableString.Invariant(
                $"[{s.Batch}, {s.QueryHeads}/{s.KeyValueHeads}, {s.QueryLength}×{s.KeyLength}, ") +
                FormattableString.Invariant($"{s.HeadDimension}/{s.ValueDimension}]");
            return string.Join(' ',
                [size, .. VisibilityNames(), .. ScoreNames(), .. LayoutNames()]);
        }
    }

    private IEnumerable<string> VisibilityNames()
    {
        if (Options.Causal == CausalAlignment.Past || Options.PastLength > 0)
        {
            yield return FormattableString.Invariant($"past {Options.PastLength}");
        }
        else if (Options.Causal != CausalAlignment.None)
        {
            yield return Options.Causal == CausalAlignment.TopLeft ? "top-left" : "bottom-right";
        }

        if (Options.Window is { } w)
        {
            yield return FormattableString.Invariant($"window {w.Left},{w.Right}");
        }

        if (MaskShape.Length > 0) yield return $"mask [{string.Join(", ", MaskShape)}]";
        if (BiasShape.Length > 0) yield return $"bias [{string.Join(", ", BiasShape)}]";
        if (BiasHasInfinity) yield return "infinite";
        if (KeyLengths.Length > 0) yield return $"lengths {string.Join(",", KeyLengths)}";
        if (Blocks is { } blocks)
        {
            yield return FormattableString.Invariant(
                $"blocks {blocks.QueryBlock}×{blocks.KeyBlock}") +
                (blocks.PerHead ? " per head" : "");
        }
    }

    private IEnumerable<string> ScoreNames()
    {
        if (Options.Scale != 0) yield return "scaled";
        if (Options.SoftCap != 0) yield return "soft cap";
        if (Alibi) yield return "ALiBi";
        if (Options.RelativeBuckets is { } buckets)
        {
            yield return FormattableString.Invariant(
                $"buckets {buckets.Count}/{buckets.MaximumDistance}") +
                (buckets.Bidirectional ? " both ways" : "");
        }

        if (Sinks) yield return SinksHaveInfinity ? "sinks, one −∞" : "sinks";
        if (Options.DropoutProbability > 0)
        {
            yield return FormattableString.Invariant($"dropout {Options.DropoutProbability}");
        }

        if (Score is not null) yield return Score.Name;
        if (Scores != ScoreOutput.None) yield return $"scores {Scores}";
        if (!LogSumExp) yield return "no log-sum-exp";
        if (LargeLogits) yield return "large logits";
    }

    private IEnumerable<string> LayoutNames()
    {
        if (PackedQueries.Length > 0)
            yield return $"packed queries {string.Join(",", PackedQueries)}";
        if (PackedKeys.Length > 0) yield return $"packed keys {string.Join(",", PackedKeys)}";
        if (PageSize > 0) yield return FormattableString.Invariant($"pages of {PageSize}");
        if (Layout != AttentionLayout.Default) yield return Layout.ToString();
    }
}
