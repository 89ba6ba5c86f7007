using System.Runtime.CompilerServices;

namespace Transformer.Ops;

internal unsafe ref partial struct AttentionForwardUnit<T, TScore>
{
    /// <summary>Sets the first block of the unit and returns how many it has of a sequence's
    /// <paramref name="blocks"/>: short ones of a packed call have fewer units than the longest, of
    /// one size all the same, since each packs every key that it sees.</summary>
    private int PartOf(int blocks, int part)
    {
        int parts = (blocks + work.BlocksPerUnit - 1) / work.BlocksPerUnit;
        if (part >= parts) return 0;
        int size = (blocks + parts - 1) / parts;
        firstBlock = part * size;
        return Math.Min(size, blocks - firstBlock);
    }

    /// <summary>The rows of a block of the sequence.</summary>
    private readonly void PlaceBlock(int index, ref AttentionSpan span)
    {
        span.Alike = 1;
        if (sequenceQueries < Rows)
        {
            span.Row = index * Rows;
            span.Rows = Math.Min(Rows, (problem.Group * sequenceQueries) - span.Row);
            Locate(span.Row, out span.Head, out span.Query);
            return;
        }

        int perHead = AttentionBlocks.OfHead(sequenceQueries, slice);
        int perSlice = AttentionBlocks.OfHead(slice, slice);
        (int head, int inHead) = Math.DivRem(index, perHead);
        (int whole, int inSlice) = Math.DivRem(inHead, perSlice);
        int end = Math.Min(sequenceQueries, (whole + 1) * slice);
        span.Head = (keyHead * problem.Group) + head;
        span.Query = (whole * slice) + (inSlice * Rows);
        span.Row = (head * sequenceQueries) + span.Query;
        span.Rows = Math.Min(Rows, end - span.Query);
        if (slice == problem.Masks.QueryBlock && !TScore.HidesKeys)
        {
            span.Alike = Math.Min(perSlice - inSlice, perHead - inHead);
        }
    }

    private readonly void Locate(int row, out int head, out int query)
    {
        (head, query) = Math.DivRem(row, sequenceQueries);
        head += keyHead * problem.Group;
    }

    /// <summary>The keys and values of the tile at <paramref name="tile"/>, to be asked for while
    /// the one before is computed.</summary>
    private readonly AttentionAhead Ahead(int tile)
    {
        if (tile >= rangeEnd || problem.HasFewRows) return default;
        int rows = Math.Min(Math.Min(KeyTile, rangeEnd - tile), problem.Sequences.RunFrom(tile));
        return new(problem.Key.KeyRows(problem.Sequences, sequence, keyHead, tile),
            problem.Value.KeyRows(problem.Sequences, sequence, keyHead, tile), rows);
    }

    /// <summary>Up to four blocks from this one on that compute the same columns of a tile; 0 where
    /// this one sees none of its keys.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly int FindRun(
        int block, int count, int tile, int tileKeys, out int from, out int to)
    {
        int run = 0;
        from = to = 0;
        while (run < RunBlocks && block + run < count)
        {
            ref AttentionSpan span = ref spans[block + run];
            AttentionSight sight = Sight(span, tile, tileKeys);
            if (sight == AttentionSight.None) break;
            span.Columns<T>(tile, tileKeys, out int blockFrom, out int blockTo);
            if (run > 0 && (blockFrom != from || blockTo != to)) break;
            from = blockFrom;
            to = blockTo;
            bool whole = sight == AttentionSight.All && span.AllSee(tile, tileKeys, from, to);
            span.IsWhole = whole ? 1 : 0;
            run++;
        }

        return run;
    }

    /// <summary>How many blocks from a hidden one on may be passed over: all that have its row of
    /// the block mask, if it was that which hid the whole tile.</summary>
    private static int Hidden(in AttentionSpan span, int tile, int tileKeys) =>
        span.First <= tile && span.End >= tile + tileKeys ? span.Alike : 1;

    /// <summary>What the rows of a block see of a tile, before the interval rules cut it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly AttentionSight Sight(in AttentionSpan span, int tile, int tileKeys)
    {
        int first = Math.Max(tile, span.First), end = Math.Min(tile + tileKeys, span.End);
        if (first >= end) return AttentionSight.None;
        if (!problem.Masks.ArePresent && !TScore.HidesKeys) return AttentionSight.All;
        if (sequenceQueries >= Rows)
        {
            return AttentionRow.Sight(problem, work.Score, sequence, span.Head, span.Query,
                span.Rows, first, end);
        }

        bool any = false, all = true;
        for (int i = 0; i < span.Rows; i++)
        {
            Locate(span.Row + i, out int head, out int query);
            AttentionSight sight = AttentionRow.Sight(
                problem, work.Score, sequence, head, query, 1, first, end);
            any |= sight != AttentionSight.None;
            all &= sight == AttentionSight.All;
        }

        return all ? AttentionSight.All : any ? AttentionSight.Part : AttentionSight.None;
    }
}

/// <summary>
/// Keys and values that are wanted next, asked for bit by bit between blocks: all at once they
/// would hold up the block's own loads, and a processor's own prefetching starts anew at every
/// page of memory.
/// </summary>
/// <param name="keys">Keys.</param>
/// <param name="values">Values.</param>
/// <param name="rows">Rows of each.</param>
internal struct AttentionAhead(StoredRows keys, StoredRows values, int rows)
{
    private int done;

    /// <summary>Asks for the share of rows that is due after <paramref name="part"/> of
    /// <paramref name="whole"/> blocks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Until(int part, int whole)
    {
        for (int due = (int)((long)rows * part / whole); done < due; done++)
        {
            keys.Prefetch(done);
            values.Prefetch(done);
        }
    }
}

/// <summary>How rows of queries are cut into register blocks.</summary>
internal static class AttentionBlocks
{
    private const int Rows = AttentionMultiply.Rows;

    // Of a block mask with blocks of fewer queries, blocks that end with them would waste more
    // rows where neighbours are visible than they save where they are not.
    private const int LeastSlice = 24;

    /// <summary>Queries within whose multiples blocks keep: those of a block of the block mask, so
    /// that a register block is wholly hidden or wholly visible, else all.</summary>
    public static int Slice(in AttentionProblem problem, int queries)
    {
        int block = problem.Masks.QueryBlock;
        return block >= LeastSlice && block < queries ? block : queries;
    }

    /// <summary>Blocks of a head of at least six queries.</summary>
    public static int OfHead(int queries, int slice) =>
        (queries / slice * ((slice + Rows - 1) / Rows)) + (((queries % slice) + Rows - 1) / Rows);

    /// <summary>Blocks of a group: rows of fewer than six queries share blocks across heads.
    /// </summary>
    public static int Count(in AttentionProblem problem, int queries) => queries < Rows
        ? ((problem.Group * queries) + Rows - 1) / Rows
        : problem.Group * OfHead(queries, Slice(problem, queries));
}
