using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Checks of a block table's pages before anything is written. For calls that write to
/// pages, it remembers which are taken.</summary>
internal readonly unsafe ref struct PageCheck : IDisposable
{
    /// <summary>What the rows of a page are a multiple of.</summary>
    public const int SizeStep = 16;

    private readonly string op;
    private readonly int pageCount;
    private readonly HostBlock memory;
    private readonly Span<ulong> taken;

    /// <param name="op">Op, for messages.</param>
    /// <param name="pageCount">Pages that there are.</param>
    /// <param name="writes">Each page may serve one block only.</param>
    public PageCheck(string op, int pageCount, bool writes)
    {
        this.op = op;
        this.pageCount = pageCount;
        if (!writes) return;
        // One bit a page.
        int words = (int)(((long)pageCount + 63) / 64);
        memory = HostMemory.Rent((long)words * sizeof(ulong));
        taken = new(memory.Pointer<ulong>(), words);
        taken.Clear();
    }

    /// <summary>Requires pages of a size that kernels can take.</summary>
    public static void Size(string op, int pageSize)
    {
        if (pageSize >= SizeStep && pageSize % SizeStep == 0) return;
        OpCheck.Throw(op, $"'PageSize' is {pageSize}; expected a multiple of {SizeStep}. Use " +
            $"{SizeStep} for little waste, 64 or more for speed.");
    }

    /// <summary>Requires pages that exist, and that no other block has where pages are written.
    /// </summary>
    /// <param name="pages">Row of the block table.</param>
    /// <param name="sequence">Number of that row.</param>
    /// <param name="first">First block that the call reads or writes.</param>
    /// <param name="end">Block after the last.</param>
    public void Blocks(int* pages, int sequence, long first, long end)
    {
        for (long block = first; block < end; block++)
        {
            int page = pages[block];
            if ((uint)page >= (uint)pageCount)
            {
                OpCheck.Throw(op, $"'blockTable[{sequence}, {block}]' is {page}; expected a page " +
                    $"from 0 to {(long)pageCount - 1}. Give the sequence a page for each block " +
                    "of its rows.");
            }

            if (taken.IsEmpty) continue;
            ref ulong word = ref taken[page / 64];
            ulong bit = 1UL << (page % 64);
            if ((word & bit) != 0)
            {
                OpCheck.Throw(op, $"'blockTable[{sequence}, {block}]' is {page}, a page that " +
                    "another block writes to; expected a page of its own. Copy a shared page " +
                    "before writing to it.");
            }

            word |= bit;
        }
    }

    public void Dispose() => memory.Dispose();
}
