namespace Transformer.Numerics;

/// <summary>How a product is cut into blocks: by its sizes alone, never by the threads.</summary>
/// <remarks>
/// A batch owns RowBlock × PanelBlock panels of the result, and neighbours in the order of batches
/// share their panels: threads then read the same part of b at the same time, and write rows that
/// lie far apart, so that no core's prefetcher asks for lines that another core is writing.
/// Most rows and columns of a block are what a second-level cache of 1 MiB holds beside the result
/// (see <see cref="PackedMatrix"/>); where that gives fewer than 32 batches, blocks shrink, so that
/// eight threads end at about the same time.
/// </remarks>
internal readonly struct MatMulPlan
{
    private const int MostRows = 132;
    private const int LeastRows = 24;
    private const int MostColumns = 256;
    private const int WantedBatches = 32;
    private const int PackedLeftColumns = 512;

    // Below this many multiply-adds (5 microseconds) a batch costs more to hand out than it saves.
    private const long LeastWork = 1 << 18;

    /// <summary>Cuts a product.</summary>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="b">Layout of the right operand.</param>
    /// <param name="packsLeft">Whether each batch packs its part of the left operand: it should
    /// use it for many columns.</param>
    /// <param name="packsRight">Whether each batch packs its part of the right operand: it must
    /// use it for all rows.</param>
    public MatMulPlan(int rows, in PackedMatrix b, bool packsLeft, bool packsRight)
    {
        long work = (long)rows * b.Columns * b.Depth;
        if (work <= LeastWork / 2)
        {
            (RowBlock, PanelBlock) = (rows, b.Panels);
        }
        else
        {
            int blocks = packsRight ? 1 : (rows + MostRows - 1) / MostRows;
            RowBlock = Even(rows, blocks, MatMulTile.Rows);
            long panelWork = Math.Max(1, (long)RowBlock * b.PanelWidth * b.Depth);
            long panels = Math.Max(work / WantedBatches, LeastWork) / panelWork;
            int most = packsLeft ? PackedLeftColumns : packsRight ? MostColumns / 2 : MostColumns;
            long least = packsLeft ? most / b.PanelWidth : 1;
            PanelBlock = (int)Math.Clamp(
                Math.Clamp(panels, least, Math.Max(1, most / b.PanelWidth)), 1, b.Panels);
            PanelBlock = Even(b.Panels, (b.Panels + PanelBlock - 1) / PanelBlock, 1);
            while (!packsRight && RowBlock >= 2 * LeastRows
                && Count(rows, RowBlock) * Count(b.Panels, PanelBlock) < WantedBatches / 2
                && (long)RowBlock * PanelBlock * b.PanelWidth * b.Depth >= 2 * LeastWork)
            {
                RowBlock = Even(rows, 2 * Count(rows, RowBlock), MatMulTile.Rows);
            }
        }

        RowBlocks = Count(rows, RowBlock);
        Batches = RowBlocks * Count(b.Panels, PanelBlock);
    }

    /// <summary>Rows of a block: a multiple of a tile's, or all.</summary>
    public int RowBlock { get; }

    /// <summary>Panels of a block.</summary>
    public int PanelBlock { get; }

    /// <summary>Blocks of rows.</summary>
    public int RowBlocks { get; }

    /// <summary>Blocks in all.</summary>
    public int Batches { get; }

    private static int Count(int length, int block) => (length + block - 1) / block;

    /// <summary>The size of so many blocks of even size, a multiple of the granule.</summary>
    private static int Even(int length, int blocks, int granule) =>
        Count(Count(length, blocks), granule) * granule;
}
