using Transformer.Ops;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>A tensor in memory: the rows of [B, H, S, D] that sequences have, padded, packed or
/// paged, in the sample's layout.</summary>
internal sealed class AttentionRows
{
    private readonly int heads;
    private readonly int dimension;
    private readonly int length;
    private readonly (int Outer, int Row)?[] places;
    private readonly AttentionStrides effective;
    private readonly int extent;

    private AttentionRows(
        AttentionLayout layout, int heads, int length, int dimension, (int Outer, int Rows) memory,
        bool byPosition, (int Outer, int Row)?[] places)
    {
        this.heads = heads;
        this.dimension = dimension;
        this.length = length;
        this.places = places;
        AttentionStrides rows =
            AttentionStrides.SequenceMajor(heads, memory.Rows, dimension);
        effective = layout switch
        {
            AttentionLayout.SequenceMajor => rows,
            AttentionLayout.HeadsOutside =>
                AttentionStrides.HeadMajor(heads, memory.Rows, dimension),
            // As a slice of packed queries, keys and values lies.
            AttentionLayout.PackedQkv => AttentionStrides.SequenceMajor(
                heads, memory.Rows, dimension, 3L * heads * dimension),
            AttentionLayout.Gapped => AttentionStrides.SequenceMajor(
                heads, memory.Rows, dimension, ((long)heads * dimension) + 5),
            _ => byPosition ? rows
                : AttentionStrides.HeadMajor(heads, memory.Rows, dimension),
        };
        Strides = layout == AttentionLayout.Default ? default : effective;
        extent = memory.Outer * memory.Rows == 0 ? 0
            : (int)At(memory.Outer - 1, heads - 1, memory.Rows - 1) + dimension;
    }

    /// <summary>What the call is given.</summary>
    public AttentionStrides Strides { get; }

    public static AttentionRows OfQueries(FusedAttentionSpec spec, int dimension)
    {
        AttentionSizes s = spec.Sizes;
        int[] offsets = Offsets(spec.PackedQueries);
        return new(spec.Layout, s.QueryHeads, s.QueryLength, dimension,
            offsets.Length > 0 ? (1, offsets[^1]) : (s.Batch, s.QueryLength),
            offsets.Length > 0, Places(s.Batch, s.QueryLength, (b, i) =>
                i >= spec.Queries(b) ? null : offsets.Length > 0 ? (0, offsets[b] + i) : (b, i)));
    }

    public static AttentionRows OfKeys(FusedAttentionSpec spec, int dimension)
    {
        AttentionSizes s = spec.Sizes;
        int[] offsets = Offsets(spec.PackedKeys);
        int blocks = Blocks(spec), page = spec.PageSize;
        return new(spec.Layout, s.KeyValueHeads, s.KeyLength, dimension,
            page > 0 ? (Pages(spec), page)
                : offsets.Length > 0 ? (1, offsets[^1]) : (s.Batch, s.KeyLength),
            page > 0 || offsets.Length > 0, Places(s.Batch, s.KeyLength, (b, j) =>
                j >= spec.StoredKeys(b) ? null
                    : page > 0 ? (BlockTable(spec)[(b * blocks) + (j / page)], j % page)
                    : offsets.Length > 0 ? (0, offsets[b] + j) : (b, j)));
    }

    public static int[] Offsets(int[] lengths)
    {
        if (lengths.Length == 0) return [];
        int[] offsets = new int[lengths.Length + 1];
        for (int b = 0; b < lengths.Length; b++) offsets[b + 1] = offsets[b] + lengths[b];
        return offsets;
    }

    /// <summary>Pages from the last to the first.</summary>
    public static int[] BlockTable(FusedAttentionSpec spec) => spec.PageSize == 0 ? []
        : [.. Enumerable.Range(0, spec.Sizes.Batch * Blocks(spec)).Reverse()];

    public static int Pages(FusedAttentionSpec spec) =>
        spec.PageSize == 0 ? 0 : spec.Sizes.Batch * Blocks(spec);

    /// <summary>Memory that holds NaN.</summary>
    public float[] Empty()
    {
        float[] memory = new float[extent];
        Array.Fill(memory, float.NaN);
        return memory;
    }

    public float[] Scatter(float[] logical)
    {
        float[] memory = Empty();
        Each((at, row) => logical.AsSpan(row * dimension, dimension).CopyTo(memory.AsSpan(at)));
        return memory;
    }

    /// <summary>Rows that no sequence has are 0.</summary>
    public float[] Gather(float[] memory)
    {
        float[] logical = new float[places.Length * heads * dimension];
        Each((at, row) => memory.AsSpan(at, dimension).CopyTo(logical.AsSpan(row * dimension)));
        return logical;
    }

    private static int Blocks(FusedAttentionSpec spec) => spec.PageSize == 0
        ? 0 : Math.Max(1, (spec.Sizes.KeyLength + spec.PageSize - 1) / spec.PageSize);

    private static (int, int)?[] Places(
        int batch, int length, Func<int, int, (int, int)?> place) =>
        [.. Enumerable.Range(0, batch * length).Select(n => place(n / length, n % length))];

    private void Each(Action<int, int> visit)
    {
        for (int n = 0; n < places.Length; n++)
        {
            if (places[n] is not { } place) continue;
            (int batch, int position) = Math.DivRem(n, length);
            for (int head = 0; head < heads; head++)
            {
                visit((int)At(place.Outer, head, place.Row),
                    (((batch * heads) + head) * length) + position);
            }
        }
    }

    private long At(int outer, int head, int row) => (outer * effective.Batch) +
        (head * effective.Head) + (row * effective.Sequence);
}
