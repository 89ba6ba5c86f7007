using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Tells which keys a query of an attention case sees.</summary>
/// <remarks>Written down here once more, directly from its definition, so that a mistake in the
/// reference shows as NaN from the hidden keys.</remarks>
internal sealed class FusedAttentionVisibility
{
    private readonly FusedAttentionSpec spec;
    private readonly AttentionSizes sizes;

    /// <summary>With the random masks of a case.</summary>
    public FusedAttentionVisibility(FusedAttentionSpec spec, CaseMemory memory)
        : this(spec, null, null)
    {
        if (spec.MaskShape.Length > 0)
        {
            int count = (int)spec.MaskShape.Aggregate(1L, (a, b) => a * b);
            // The first row sees nothing; three in ten keys are hidden elsewhere.
            Mask = Random(memory, "mask", count, (int)spec.MaskShape[^1]);
        }

        if (spec.Blocks is not { } size) return;
        int heads = size.PerHead ? sizes.QueryHeads : 1;
        Blocks = Random(memory, "blockMask", heads * BlockRows * BlockColumns, BlockColumns);
    }

    /// <summary>With given masks; null for none.</summary>
    public FusedAttentionVisibility(FusedAttentionSpec spec, bool[]? mask, bool[]? blocks)
    {
        this.spec = spec;
        sizes = spec.Sizes;
        Mask = mask;
        Blocks = blocks;
        if (spec.Blocks is not { } size) return;
        BlockRows = ((sizes.QueryLength - 1) / size.QueryBlock) + 1;
        BlockColumns = ((sizes.KeyLength - 1) / size.KeyBlock) + 1;
    }

    /// <summary>The Boolean mask, of the spec's shape; null without one.</summary>
    public bool[]? Mask { get; }

    /// <summary>The block mask; null without one.</summary>
    public bool[]? Blocks { get; }

    private int BlockRows { get; }

    private int BlockColumns { get; }

    public bool IsVisible(int batch, int head, int query, int key)
    {
        int length = spec.Keys(batch);
        if (query >= spec.Queries(batch) || key >= length) return false;
        AttentionOptions options = spec.Options;
        long position = query + (long)(options.Causal switch
        {
            CausalAlignment.BottomRight => length - spec.Queries(batch),
            CausalAlignment.TopLeft => 0,
            _ => options.PastLength,
        });
        if (options.Causal != CausalAlignment.None && key > position) return false;
        if (options.Window is { } window)
        {
            if (window.Left >= 0 && key < position - window.Left) return false;
            if (window.Right >= 0 && key > position + window.Right) return false;
        }

        if (spec.BiasShape.Length > 0 && key >= spec.BiasShape[^1]) return false;
        if (Blocks is not null && !BlockIsVisible(head, query, key)) return false;
        if (spec.Score?.IsVisible(batch, head, query, key) == false) return false;
        if (Mask is null) return true;
        return key < spec.MaskShape[^1] && Mask[Offset(spec.MaskShape, batch, head, query) + key];
    }

    /// <summary>[B, Hkv, Skv], true where no query of the group sees the key: its K and V may hold
    /// NaN.</summary>
    public bool[] HiddenKeys()
    {
        int group = sizes.QueryHeads / sizes.KeyValueHeads;
        bool[] hidden = new bool[sizes.Batch * sizes.KeyValueHeads * sizes.KeyLength];
        Array.Fill(hidden, true);
        for (int b = 0; b < sizes.Batch; b++)
        for (int h = 0; h < sizes.QueryHeads; h++)
        for (int i = 0; i < spec.Queries(b); i++)
        for (int j = 0; j < spec.Keys(b); j++)
        {
            ref bool key = ref hidden[
                (((b * sizes.KeyValueHeads) + (h / group)) * sizes.KeyLength) + j];
            if (key && IsVisible(b, h, i, j)) key = false;
        }

        return hidden;
    }

    /// <summary>[B, Hq, Sq], true for queries that see no key.</summary>
    public bool[] BlindQueries()
    {
        bool[] blind = new bool[sizes.Batch * sizes.QueryHeads * sizes.QueryLength];
        for (int row = 0; row < blind.Length; row++)
        {
            (int outer, int i) = Math.DivRem(row, sizes.QueryLength);
            (int b, int h) = Math.DivRem(outer, sizes.QueryHeads);
            bool sees = false;
            for (int j = 0; j < sizes.KeyLength && !sees; j++) sees = IsVisible(b, h, i, j);
            blind[row] = !sees;
        }

        return blind;
    }

    private static bool[] Random(CaseMemory memory, string name, int count, int row)
    {
        int[] dice = memory.Integers(name, count, 10);
        bool[] mask = new bool[count];
        for (int i = 0; i < count; i++) mask[i] = i >= row && dice[i] >= 3;
        return mask;
    }

    private bool BlockIsVisible(int head, int query, int key)
    {
        AttentionBlockSize size = spec.Blocks!.Value;
        int plane = size.PerHead ? head : 0;
        return Blocks![(((plane * BlockRows) + (query / size.QueryBlock)) * BlockColumns) +
            (key / size.KeyBlock)];
    }

    private static long Offset(long[] shape, int batch, int head, int query)
    {
        ReadOnlySpan<long> index = [batch, head, query];
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
