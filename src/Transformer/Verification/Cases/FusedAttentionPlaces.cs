using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Where the rows of an attention case lie: padded, packed or paged.</summary>
internal sealed class FusedAttentionPlaces
{
    // Rows and pages that no sequence has.
    private const int SpareRows = 3;
    private const int SparePages = 2;

    private readonly FusedAttentionSpec spec;
    private readonly int tableStride;

    public FusedAttentionPlaces(FusedAttentionSpec spec, CaseMemory memory)
    {
        this.spec = spec;
        QueryOffsets = Offsets(spec.PackedQueries);
        KeyOffsets = Offsets(spec.PackedKeys);
        if (spec.PageSize == 0) return;
        // One entry more than the longest sequence takes.
        tableStride = ((spec.Sizes.KeyLength - 1) / spec.PageSize) + 2;
        BlockTable = new int[spec.Sizes.Batch * tableStride];
        Array.Fill(BlockTable, -1);
        int used = Enumerable.Range(0, spec.Sizes.Batch).Sum(Blocks);
        PageCount = used + SparePages;
        int[] dice = memory.Integers("pages", PageCount, 1 << 20);
        int[] pages = [.. Enumerable.Range(0, PageCount).OrderBy(p => dice[p])];
        int next = 0;
        for (int b = 0; b < spec.Sizes.Batch; b++)
        for (int block = 0; block < Blocks(b); block++)
        {
            BlockTable[(b * tableStride) + block] = pages[next++];
        }
    }

    public int[] QueryOffsets { get; }

    public int[] KeyOffsets { get; }

    /// <summary>[B, blocks]; −1 past a sequence's length.</summary>
    public int[] BlockTable { get; } = [];

    public int PageCount { get; }

    public int TotalQueries => Total(QueryOffsets);

    public int TotalKeys => Total(KeyOffsets);

    /// <summary>Outermost size and rows of one head.</summary>
    public (int Outer, int Rows) QueryExtent => QueryOffsets.Length > 0
        ? (1, TotalQueries) : (spec.Sizes.Batch, spec.Sizes.QueryLength);

    /// <summary>Outermost size and rows of one head.</summary>
    public (int Outer, int Rows) KeyExtent => spec.PageSize > 0
        ? (PageCount, spec.PageSize) : KeyOffsets.Length > 0
        ? (1, TotalKeys) : (spec.Sizes.Batch, spec.Sizes.KeyLength);

    /// <summary>Element at which the row of a query starts.</summary>
    public long Query(AttentionStrides strides, int batch, int head, int query) =>
        QueryOffsets.Length > 0
            ? At(strides, 0, head, QueryOffsets[batch] + query) : At(strides, batch, head, query);

    /// <summary>Element at which the row of a key starts.</summary>
    public long Key(AttentionStrides strides, int batch, int head, int key)
    {
        if (spec.PageSize == 0)
        {
            return KeyOffsets.Length > 0
                ? At(strides, 0, head, KeyOffsets[batch] + key) : At(strides, batch, head, key);
        }

        int page = BlockTable[(batch * tableStride) + (key / spec.PageSize)];
        return At(strides, page, head, key % spec.PageSize);
    }

    /// <summary>Row in [B, Hq, Sq] of each element of a tensor that lies as the query; −1 for those
    /// that belong to nobody.</summary>
    public int[] QueryRows(AttentionStrides strides, int dimension)
    {
        AttentionSizes s = spec.Sizes;
        int[] rows = Nobodys(Extent(QueryExtent, s.QueryHeads, dimension, strides));
        for (int b = 0; b < s.Batch; b++)
        for (int h = 0; h < s.QueryHeads; h++)
        for (int i = 0; i < spec.Queries(b); i++)
        {
            rows.AsSpan((int)Query(strides, b, h, i), dimension)
                .Fill((((b * s.QueryHeads) + h) * s.QueryLength) + i);
        }

        return rows;
    }

    /// <summary>As <see cref="QueryRows"/>, for keys and values in [B, Hkv, Skv].</summary>
    public int[] KeyRows(AttentionStrides strides, int dimension)
    {
        AttentionSizes s = spec.Sizes;
        int[] rows = Nobodys(Extent(KeyExtent, s.KeyValueHeads, dimension, strides));
        for (int b = 0; b < s.Batch; b++)
        for (int h = 0; h < s.KeyValueHeads; h++)
        for (int j = 0; j < spec.StoredKeys(b); j++)
        {
            rows.AsSpan((int)Key(strides, b, h, j), dimension)
                .Fill((((b * s.KeyValueHeads) + h) * s.KeyLength) + j);
        }

        return rows;
    }

    /// <summary>Elements from the first to the last of a tensor.</summary>
    public static long Extent(
        (int Outer, int Rows) extent, int heads, int dimension, AttentionStrides strides) =>
        extent.Outer == 0 || extent.Rows == 0 ? 0
            : At(strides, extent.Outer - 1, heads - 1, extent.Rows - 1) + dimension;

    private static long At(AttentionStrides strides, long outer, int head, long row) =>
        (outer * strides.Batch) + (head * strides.Head) + (row * strides.Sequence);

    private static int[] Nobodys(long length)
    {
        int[] rows = new int[length];
        Array.Fill(rows, -1);
        return rows;
    }

    private static int[] Offsets(int[] lengths)
    {
        if (lengths.Length == 0) return [];
        int[] offsets = new int[lengths.Length + 1];
        for (int b = 0; b < lengths.Length; b++) offsets[b + 1] = offsets[b] + lengths[b];
        return offsets;
    }

    private static int Total(int[] offsets) => offsets.Length > 0 ? offsets[^1] + SpareRows : 0;

    private int Blocks(int batch) =>
        (spec.KeyLengths[batch] + spec.PageSize - 1) / spec.PageSize;
}
