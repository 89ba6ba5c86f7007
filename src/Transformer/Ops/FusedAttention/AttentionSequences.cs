using System.Runtime.CompilerServices;

namespace Transformer.Ops;

/// <summary>
/// Which rows of memory the queries and keys of each sequence are: padded, packed or paged; and
/// which keys causal order, window and lengths leave to a query.
/// </summary>
/// <remarks>Made from a valid call on host memory; checks the integers it reads.</remarks>
internal readonly unsafe struct AttentionSequences
{
    private readonly AttentionSizes sizes;
    private readonly AttentionOptions options;
    private readonly int* keyLengths;
    private readonly int* queryOffsets;
    private readonly int* keyOffsets;
    private readonly int* blockTable;
    private readonly long tableStride;
    private readonly int totalQueries;
    private readonly int keyLimit;
    private readonly int left;
    private readonly int right;

    public AttentionSequences(in AttentionInputs inputs, bool writesKeys)
    {
        AttentionLayoutChecks.HostIntegers(inputs, writesKeys);
        sizes = inputs.Sizes;
        options = inputs.Options;
        keyLengths = inputs.KeyLengths.Pointer<int>();
        queryOffsets = inputs.QueryOffsets.Pointer<int>();
        keyOffsets = inputs.KeyOffsets.Pointer<int>();
        blockTable = inputs.BlockTable.Pointer<int>();
        tableStride = sizes.Batch == 0 ? 0 : inputs.BlockTable.Length / sizes.Batch;
        PageSize = inputs.PageSize;
        totalQueries = inputs.TotalQueries;
        left = options.Window?.Left ?? -1;
        right = options.Window?.Right ?? -1;
        keyLimit = int.MaxValue;
        if (inputs.Mask.IsPresent) keyLimit = inputs.MaskLayout.KeyCount;
        if (inputs.Bias.IsPresent) keyLimit = Math.Min(keyLimit, inputs.BiasLayout.KeyCount);
    }

    /// <summary>The sizes, with the lengths of the longest sequences there are.</summary>
    public AttentionSizes Shortened()
    {
        if (queryOffsets == null && keyOffsets == null && blockTable == null) return sizes;
        int queries = 0, keys = 0;
        for (int b = 0; b < sizes.Batch; b++)
        {
            queries = Math.Max(queries, Queries(b));
            keys = Math.Max(keys, StoredKeys(b));
        }

        return sizes with { QueryLength = queries, KeyLength = keys };
    }

    /// <summary>Keys of a page; 0 where keys are not paged.</summary>
    public int PageSize { get; }

    public bool IsPaged => blockTable != null;

    /// <summary>True when every query sees a window of keys, bounded on both sides.</summary>
    public bool HasWindow =>
        left >= 0 && (right >= 0 || options.Causal != CausalAlignment.None);

    /// <summary>Queries of a sequence.</summary>
    public int Queries(int batch) => queryOffsets == null
        ? sizes.QueryLength : queryOffsets[batch + 1] - queryOffsets[batch];

    /// <summary>Keys of a sequence that lie in memory, padding included.</summary>
    public int StoredKeys(int batch) => blockTable != null
        ? keyLengths[batch]
        : keyOffsets != null ? keyOffsets[batch + 1] - keyOffsets[batch] : sizes.KeyLength;

    /// <summary>Keys of a sequence without its padding.</summary>
    public int Keys(int batch) =>
        keyLengths != null ? keyLengths[batch] : StoredKeys(batch);

    /// <summary>Where a query lies: outer index and row.</summary>
    public (long Outer, long Row) QueryAt(int batch, int query) =>
        queryOffsets == null ? (batch, query) : (0, (long)queryOffsets[batch] + query);

    /// <summary>Where a key lies: outer index (a page where keys are paged) and row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (long Outer, long Row) KeyAt(int batch, int key)
    {
        if (blockTable != null)
        {
            return (blockTable[(batch * tableStride) + (key / PageSize)], key % PageSize);
        }

        return keyOffsets == null ? (batch, key) : (0, (long)keyOffsets[batch] + key);
    }

    /// <summary>Keys from this one on whose rows lie at one distance.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int RunFrom(int key) =>
        blockTable == null ? int.MaxValue : PageSize - (key % PageSize);

    /// <summary>Index of a query among the log-sum-exps.</summary>
    public long RowIndex(int batch, int head, int query) => queryOffsets == null
        ? ((((long)batch * sizes.QueryHeads) + head) * sizes.QueryLength) + query
        : ((long)head * totalQueries) + queryOffsets[batch] + query;

    /// <summary>The position among the keys at which a query stands.</summary>
    public long Position(int batch, int query) =>
        query + options.PositionOffset(Queries(batch), Keys(batch));

    /// <summary>
    /// The keys [first, end) that causal order, window, lengths and short mask rows leave to a
    /// query; masks may hide more. Both bounds never decrease with the query.
    /// </summary>
    public void VisibleKeys(int batch, int query, out int first, out int end) =>
        Interval(batch).Of(query, out first, out end);

    /// <summary><see cref="VisibleKeys"/> of all queries of a sequence.</summary>
    public AttentionInterval Interval(int batch)
    {
        int keys = Keys(batch);
        long offset = options.PositionOffset(Queries(batch), keys);
        long low = left >= 0 ? offset - left : -AttentionInterval.Unbounded;
        long high = right >= 0 ? offset + right + 1 : AttentionInterval.Unbounded;
        if (options.Causal != CausalAlignment.None) high = Math.Min(high, offset + 1);
        return new(low, high, Math.Min(keys, keyLimit));
    }
}
