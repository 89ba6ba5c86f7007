using ILGPU;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Where the queries and keys of a sequence lie, and how many there are.</summary>
internal struct Sequence
{
    public long QueryOuter, QueryRow, KeyOuter, KeyRow; // of the first
    public long Offset; // query i stands at i + Offset
    public int Batch, Queries, Stored, Keys; // Stored: padding included
}

/// <summary>Padded, packed or paged sequences, causal order and window.</summary>
internal struct AttentionPlaces
{
    public const int CausalNone = 0, CausalTopLeft = 1, CausalBottomRight = 2;

    public ArrayView<int> KeyLengths, QueryOffsets, KeyOffsets, BlockTable;
    public long TableStride;
    public int QueryLength, KeyLength, TotalQueries, TotalKeys, PageSize, PageCount, QueryHeads;
    public int Causal, PastLength, WindowLeft, WindowRight;

    /// <summary>Keys that the rows of mask and bias have.</summary>
    public int KeyLimit;

    public readonly Sequence SequenceOf(int batch)
    {
        Sequence s = default;
        s.QueryOuter = s.KeyOuter = s.Batch = batch;
        s.Queries = QueryLength;
        s.Stored = KeyLength;
        if (QueryOffsets.Length > 0)
        {
            int first = Clamp(QueryOffsets[batch], 0, TotalQueries);
            int end = Clamp(QueryOffsets[batch + 1], first, TotalQueries);
            s.QueryOuter = 0;
            s.QueryRow = first;
            s.Queries = end - first < QueryLength ? end - first : QueryLength;
        }

        if (KeyOffsets.Length > 0)
        {
            int first = Clamp(KeyOffsets[batch], 0, TotalKeys);
            int end = Clamp(KeyOffsets[batch + 1], first, TotalKeys);
            s.KeyOuter = 0;
            s.KeyRow = first;
            s.Stored = end - first < KeyLength ? end - first : KeyLength;
        }

        if (BlockTable.Length > 0) s.Stored = Clamp(KeyLengths[batch], 0, KeyLength);
        s.Keys = KeyLengths.Length > 0 ? Clamp(KeyLengths[batch], 0, s.Stored) : s.Stored;
        s.Offset = Causal == CausalTopLeft ? 0
            : Causal == CausalBottomRight ? (long)s.Keys - s.Queries : PastLength;
        return s;
    }

    /// <summary>Element offset of a query's row without its head's.</summary>
    public static long QueryPlace(Sequence s, Strides strides, int query) =>
        (s.QueryOuter * strides.Batch) + ((s.QueryRow + query) * strides.Row);

    /// <summary>Element offset of a key's row without its head's.</summary>
    public readonly long KeyPlace(Sequence s, Strides strides, int key)
    {
        if (BlockTable.Length == 0)
            return (s.KeyOuter * strides.Batch) + ((s.KeyRow + key) * strides.Row);
        int page = BlockTable[(s.Batch * TableStride) + (key / PageSize)];
        page = Clamp(page, 0, PageCount - 1);
        return (page * strides.Batch) + (key % PageSize * strides.Row);
    }

    /// <summary>Index among the log-sum-exps.</summary>
    public readonly long RowIndex(Sequence s, int head, int query) => QueryOffsets.Length > 0
        ? ((long)head * TotalQueries) + s.QueryRow + query
        : ((((long)s.Batch * QueryHeads) + head) * QueryLength) + query;

    /// <summary>The first key that causal order, window, lengths and short mask rows leave to a
    /// query; never decreases with the query.</summary>
    public readonly int FirstKey(Sequence s, int query)
    {
        long low = WindowLeft >= 0 ? query + s.Offset - WindowLeft : 0;
        int end = EndKey(s, query);
        return low > end ? end : low < 0 ? 0 : (int)low;
    }

    /// <summary>The key behind the last one; never decreases with the query.</summary>
    public readonly int EndKey(Sequence s, int query)
    {
        long position = query + s.Offset, high = s.Keys < KeyLimit ? s.Keys : KeyLimit;
        if (Causal != CausalNone && position + 1 < high) high = position + 1;
        if (WindowRight >= 0 && position + WindowRight + 1 < high)
            high = position + WindowRight + 1;
        return high < 0 ? 0 : (int)high;
    }

    private static int Clamp(int value, int low, int high) =>
        value < low ? low : value > high ? high : value;
}
