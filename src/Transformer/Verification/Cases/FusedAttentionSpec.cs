using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>How the tensors of an attention case lie in memory.</summary>
internal enum AttentionLayout
{
    /// <summary>[B, H, S, D].</summary>
    HeadMajor,

    /// <summary>[B, S, H, D].</summary>
    SequenceMajor,

    /// <summary>One buffer [B, S, 3, H, D] holds query, key and value.</summary>
    PackedQkv,

    /// <summary>[B, S, H·D + 5]: five elements between rows belong to nobody.</summary>
    Gapped,
}

/// <summary>Sizes and options of an attention case; tells which keys a query sees.</summary>
/// <remarks>Visibility is written down here once more, directly from its definition, so that a
/// mistake in the reference shows as NaN from the hidden keys.</remarks>
internal sealed record FusedAttentionSpec(AttentionSizes Sizes)
{
    public AttentionOptions Options { get; init; }

    public AttentionLayout Layout { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; empty: no mask.</summary>
    public long[] MaskShape { get; init; } = [];

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; empty: no bias.</summary>
    public long[] BiasShape { get; init; } = [];

    public bool BiasHasInfinity { get; init; }

    /// <summary>Keys of each sequence; empty: all.</summary>
    public int[] KeyLengths { get; init; } = [];

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

    public bool[] Mask(CaseMemory memory)
    {
        long count = MaskShape.Aggregate(1L, (a, b) => a * b);
        int[] dice = memory.Integers("mask", (int)count, 10);
        bool[] mask = new bool[count];
        // The first row sees nothing; three in ten keys are hidden elsewhere.
        long row = MaskShape[^1];
        for (long i = 0; i < count; i++) mask[i] = i >= row && dice[i] >= 3;
        return mask;
    }

    public bool IsVisible(bool[]? mask, int batch, int head, int query, int key)
    {
        int length = KeyLengths.Length > 0 ? KeyLengths[batch] : Sizes.KeyLength;
        if (key >= length) return false;
        long position = query + (long)(Options.Causal switch
        {
            CausalAlignment.BottomRight => length - Sizes.QueryLength,
            CausalAlignment.TopLeft => 0,
            _ => Options.PastLength,
        });
        if (Options.Causal != CausalAlignment.None && key > position) return false;
        if (Options.Window is { } window)
        {
            if (window.Left >= 0 && key < position - window.Left) return false;
            if (window.Right >= 0 && key > position + window.Right) return false;
        }

        if (BiasShape.Length > 0 && key >= BiasShape[^1]) return false;
        if (mask is null) return true;
        return key < MaskShape[^1] && mask[Offset(MaskShape, batch, head, query) + key];
    }

    /// <summary>True where no query of the group sees the key: its K and V may hold NaN.</summary>
    public bool[] HiddenKeys(bool[]? mask)
    {
        AttentionSizes s = Sizes;
        int group = s.QueryHeads / s.KeyValueHeads;
        bool[] hidden = new bool[s.Batch * s.KeyValueHeads * s.KeyLength];
        if (!PlantsHidden) return hidden;
        Array.Fill(hidden, true);
        for (int b = 0; b < s.Batch; b++)
        for (int h = 0; h < s.QueryHeads; h++)
        for (int i = 0; i < s.QueryLength; i++)
        for (int j = 0; j < s.KeyLength; j++)
        {
            if (!IsVisible(mask, b, h, i, j)) continue;
            hidden[(((b * s.KeyValueHeads) + (h / group)) * s.KeyLength) + j] = false;
        }

        return hidden;
    }

    /// <summary>True for queries that see no key.</summary>
    public bool[] BlindQueries(bool[]? mask)
    {
        AttentionSizes s = Sizes;
        bool[] blind = new bool[s.Batch * s.QueryHeads * s.QueryLength];
        if (!PlantsHidden) return blind;
        for (int row = 0; row < blind.Length; row++)
        {
            (int outer, int i) = Math.DivRem(row, s.QueryLength);
            (int b, int h) = Math.DivRem(outer, s.QueryHeads);
            blind[row] = !Enumerable.Range(0, s.KeyLength).Any(j => IsVisible(mask, b, h, i, j));
        }

        return blind;
    }

    public string Name
    {
        get
        {
            AttentionSizes s = Sizes;
            List<string> parts =
            [
                FormattableString.Invariant($"[{s.Batch}, {s.QueryHeads}/{s.KeyValueHeads}, ") +
                FormattableString.Invariant($"{s.QueryLength}×{s.KeyLength}, ") +
                FormattableString.Invariant($"{s.HeadDimension}/{s.ValueDimension}]"),
            ];
            if (Options.Causal == CausalAlignment.Past || Options.PastLength > 0)
            {
                parts.Add(FormattableString.Invariant($"past {Options.PastLength}"));
            }
            else if (Options.Causal != CausalAlignment.None)
            {
                parts.Add(Options.Causal == CausalAlignment.TopLeft ? "top-left" : "bottom-right");
            }

            if (Options.Window is { } w)
            {
                parts.Add(FormattableString.Invariant($"window {w.Left},{w.Right}"));
            }

            if (Options.Scale != 0) parts.Add("scaled");
            if (Options.SoftCap != 0) parts.Add("soft cap");
            if (MaskShape.Length > 0) parts.Add($"mask [{string.Join(", ", MaskShape)}]");
            if (BiasShape.Length > 0) parts.Add($"bias [{string.Join(", ", BiasShape)}]");
            if (BiasHasInfinity) parts.Add("infinite");
            if (KeyLengths.Length > 0) parts.Add($"lengths {string.Join(",", KeyLengths)}");
            if (Layout != AttentionLayout.HeadMajor) parts.Add(Layout.ToString());
            if (Scores != ScoreOutput.None) parts.Add($"scores {Scores}");
            if (!LogSumExp) parts.Add("no log-sum-exp");
            if (LargeLogits) parts.Add("large logits");
            return string.Join(' ', parts);
        }
    }

    private long Offset(long[] shape, int batch, int head, int query)
    {
        long[] index = [batch, head, query];
        long offset = 0;
        long step = shape[^1];
        for (int back = 2; back <= shape.Length; back++)
        {
            long size = shape[^back];
            offset += size == 1 ? 0 : index[4 - back] * step;
            step *= size;
        }

        return offset;
    }
}
