using Transformer.Tensors;

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
        // One bit a page: whether an earlier sequence writes to it.
        long words = ((long)call.PageCount + 63) / 64;
        using HostBlock block = HostMemory.Rent(words * sizeof(ulong));
        Span<ulong> taken = new(block.Pointer<ulong>(), checked((int)words));
        taken.Clear();
        for (int b = 0; b < call.Batch; b++)
        {
            long end = (long)positions[b] + call.NewLength - 1;
            int* pages = call.BlockTable.Pointer<int>() + ((long)b * call.MaximumBlocks);
            for (long i = positions[b] / call.PageSize; i <= end / call.PageSize; i++)
            {
                int page = pages[i];
                if ((uint)page >= (uint)call.PageCount)
                {
                    OpCheck.Throw(Op, $"'blockTable[{b}, {i}]' is {page}; expected a page from 0 " +
                        $"to {(long)call.PageCount - 1} for rows {positions[b]} to {end} " +
                        $"of sequence {b}. Give the sequence a page before appending.");
                }

                ref ulong word = ref taken[page / 64];
                ulong bit = 1UL << (page % 64);
                if ((word & bit) != 0)
                {
                    OpCheck.Throw(Op, $"'blockTable[{b}, {i}]' is {page}, a page that other new " +
                        "rows go to; expected a page of its own. Copy a shared page before " +
                        "appending to it.");
                }

                word |= bit;
            }
        }
    }
}
