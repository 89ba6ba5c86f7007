namespace Transformer.Ops;

/// <summary>Where the new rows of an append go in host memory, and whether they may go there.
/// </summary>
internal static unsafe class KvCacheRows
{
    private const string Op = "KvCacheAppend";

    /// <summary>Row of the cache, of Width elements each, that holds row <paramref name="t"/> of
    /// sequence <paramref name="b"/>.</summary>
    public static long Target(in KvCacheAppendForward call, long b, long t)
    {
        if (!call.IsPaged) return (b * call.Capacity) + t;
        (long block, long row) = Math.DivRem(t, call.PageSize);
        long page = call.BlockTable.Pointer<int>()[(b * call.MaximumBlocks) + block];
        return (page * call.PageSize) + row;
    }

    /// <summary>Requires room for every new row: in the cache or the block table, in pages of the
    /// sequence's own, and in the rotary tables.</summary>
    public static void Check(in KvCacheAppendForward call)
    {
        int* positions = call.Positions.Pointer<int>();
        IdCheck.CacheRoom(
            Op, "positions", positions, call.Batch, call.NewLength, call.EffectiveCapacity);
        if (call.Rotary.IsPresent) CheckTables(call, positions);
        if (call.IsPaged && call.Batch > 0) CheckPages(call, positions);
    }

    private static void CheckTables(in KvCacheAppendForward call, int* positions)
    {
        for (int b = 0; b < call.Batch; b++)
        {
            long last = (long)call.Rotary.MaxPositions - call.NewLength;
            if (positions[b] <= last) continue;
            OpCheck.Throw(Op, $"'positions[{b}]' is {positions[b]}; expected 0 to {last}, so " +
                $"that {call.NewLength} new rows fit rotary tables of {call.Rotary.MaxPositions} " +
                "positions. Make larger tables with RotaryTable.Fill.");
        }
    }

    private static void CheckPages(in KvCacheAppendForward call, int* positions)
    {
        using PageCheck check = new(Op, call.PageCount, writes: true);
        int* table = call.BlockTable.Pointer<int>();
        for (int b = 0; b < call.Batch; b++)
        {
            long last = (long)positions[b] + call.NewLength - 1;
            check.Blocks(table + ((long)b * call.MaximumBlocks), b, positions[b] / call.PageSize,
                (last / call.PageSize) + 1);
        }
    }
}
