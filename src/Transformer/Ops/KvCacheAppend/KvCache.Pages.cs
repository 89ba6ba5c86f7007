using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The pages of a paged cache.</summary>
public sealed partial class KvCache
{
    private const int NoPage = -1;

    // [B, MaximumBlocks]: pages of each sequence, NoPage from blockCounts[b] on.
    private readonly int[] blocks;
    private readonly int[] blockCounts;
    private readonly int[] fresh;
    private readonly Tensor? blockTable;

    /// <summary>[B, MaximumBlocks] Int32 in the backend's memory: the page of each block of rows,
    /// −1 for none; absent for a contiguous cache.</summary>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public BufferView BlockTable => blockTable?.View ?? default;

    /// <summary>Pages that a sequence can have; 0 for a contiguous cache.</summary>
    public int MaximumBlocks { get; }

    /// <summary>Rows of a page; 0 for a contiguous cache.</summary>
    public int PageSize => Pool?.Shape.PageSize ?? 0;

    /// <summary>The pages of one sequence of a paged cache, in the order of its rows.</summary>
    /// <exception cref="ArgumentException">No such sequence.</exception>
    public ReadOnlySpan<int> Pages(int sequence)
    {
        RequireSequence(nameof(sequence), sequence);
        return Pool is null ? [] : Row(sequence)[..blockCounts[sequence]];
    }

    /// <summary>Lets an empty sequence begin with the rows of another, without a copy: both hold
    /// the same pages from then on.</summary>
    /// <param name="sequence">A sequence of this cache without rows.</param>
    /// <param name="source">A cache of the same pool, or this one.</param>
    /// <param name="sourceSequence">A sequence of it.</param>
    /// <param name="rows">Rows that both sequences begin with.</param>
    /// <returns>Rows that are shared: <paramref name="rows"/> rounded down to whole pages. Append
    /// the others.</returns>
    /// <exception cref="ArgumentException">Other pools or none, no such sequence, one that has
    /// rows, or more rows than there are or fit.</exception>
    /// <exception cref="ObjectDisposedException">A cache was disposed.</exception>
    public int SharePrefix(int sequence, KvCache source, int sourceSequence, int rows)
    {
        ArgumentNullException.ThrowIfNull(source);
        ObjectDisposedException.ThrowIf(lengthsView.IsDisposed, this);
        ObjectDisposedException.ThrowIf(source.lengthsView.IsDisposed, source);
        if (Pool is null || Pool != source.Pool)
        {
            OpCheck.Throw(nameof(KvCache), "a prefix is shared between caches of one KvPagePool; " +
                $"this one has {(Pool is null ? "no pool" : "another")}. Make both with that " +
                "pool.");
        }

        RequireSequence(nameof(sequence), sequence);
        source.RequireSequence(nameof(sourceSequence), sourceSequence);
        if (lengths[sequence] != 0)
        {
            OpCheck.Throw(nameof(KvCache), $"sequence {sequence} holds {lengths[sequence]} rows; " +
                "expected none. Truncate it to 0 first.");
        }

        int most = Math.Min(source.lengths[sourceSequence], Shape.Capacity);
        if (rows < 0 || rows > most)
        {
            OpCheck.Throw(nameof(KvCache), $"'rows' is {rows}; expected 0 to {most}, which " +
                $"sequence {sourceSequence} has and sequence {sequence} can hold. Share fewer " +
                "rows.");
        }

        int count = rows / PageSize;
        ReadOnlySpan<int> shared = source.Row(sourceSequence)[..count];
        foreach (int page in shared) Pool.Share(page);
        shared.CopyTo(Row(sequence));
        blockCounts[sequence] = count;
        lengths[sequence] = count * PageSize;
        blockTable!.CopyFrom<int>(blocks);
        lengthsView.CopyFrom<int>(lengths);
        return count * PageSize;
    }

    private Span<int> Row(int sequence) =>
        blocks.AsSpan(sequence * MaximumBlocks, MaximumBlocks);

    private int BlocksOf(long rows) => (int)((rows + PageSize - 1) / PageSize);

    /// <summary>True where new rows would go to a page that somebody else holds, too.</summary>
    private bool EndsInSharedPage(int sequence) => lengths[sequence] % PageSize != 0 &&
        Pool!.References(Row(sequence)[blockCounts[sequence] - 1]) > 1;

    /// <summary>Gives every sequence pages of its own for its new rows; all of them or none.
    /// </summary>
    private void TakePages(int newLength)
    {
        int needed = 0;
        for (int b = 0; b < lengths.Length; b++)
        {
            needed += BlocksOf((long)lengths[b] + newLength) - blockCounts[b];
            if (EndsInSharedPage(b)) needed++;
        }

        if (needed == 0) return;
        Span<int> pages = fresh.AsSpan(0, needed);
        if (!Pool!.TryTake(pages))
        {
            OpCheck.Throw(nameof(KvCache), $"{newLength} new rows for each of {lengths.Length} " +
                $"sequences need {needed} pages; the pool has {Pool.FreePages} free ones of " +
                $"{Pool.Shape.PageCount}. Truncate or dispose caches, or make a larger pool.");
        }

        int next = 0;
        for (int b = 0; b < lengths.Length; b++)
        {
            Span<int> row = Row(b);
            if (EndsInSharedPage(b)) Own(ref row[blockCounts[b] - 1], pages[next++]);
            int count = BlocksOf((long)lengths[b] + newLength);
            for (; blockCounts[b] < count; blockCounts[b]++) row[blockCounts[b]] = pages[next++];
        }

        // Where two sequences shared a last page, the second may keep it.
        foreach (int page in pages[next..]) Pool.Release(page);
        blockTable!.CopyFrom<int>(blocks);
    }

    /// <summary>Copies a shared page to one of the sequence's own.</summary>
    private void Own(ref int page, int copy)
    {
        Pool!.Copy(page, copy);
        Pool.Release(page);
        page = copy;
    }

    /// <summary>Releases the pages behind every sequence's last row.</summary>
    private void ReleaseUnused()
    {
        for (int b = 0; b < lengths.Length; b++)
        {
            Span<int> row = Row(b);
            int kept = BlocksOf(lengths[b]);
            for (; blockCounts[b] > kept; blockCounts[b]--)
            {
                Pool!.Release(row[blockCounts[b] - 1]);
                row[blockCounts[b] - 1] = NoPage;
            }
        }

        blockTable!.CopyFrom<int>(blocks);
    }

    private void ReleaseAll()
    {
        Array.Clear(lengths);
        ReleaseUnused();
    }
}
