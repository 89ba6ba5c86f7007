using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>
/// A left operand as the tiles read it: element (i, k) of the tile that begins at row t lies at
/// Data[t·TileStep + (i − t)·LaneStride + k·DepthStride].
/// </summary>
internal readonly unsafe struct LeftOperand
{
    private readonly float* data;
    private readonly nint tileStep;
    private readonly nint laneStride;
    private readonly nint depthStride;

    private LeftOperand(float* data, nint tileStep, nint laneStride, nint depthStride)
    {
        this.data = data;
        this.tileStep = tileStep;
        this.laneStride = laneStride;
        this.depthStride = depthStride;
    }

    /// <summary>Rows in place: six streams along the depth, nothing to copy.</summary>
    public static LeftOperand RowMajor(float* data, nint stride) => new(data, stride, stride, 1);

    /// <summary>What <see cref="MatMulPack.LeftBlock"/> wrote for the given depth.</summary>
    public static LeftOperand Packed(float* data, nint depth) =>
        new(data, depth + MatMulPack.TilePad, 1, MatMulTile.Rows);

    /// <summary>The tile at a row that is a multiple of six.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TileRows Tile(nint row, int count) =>
        new(data + row * tileStep, laneStride, depthStride, count);
}

/// <summary>Where a block of the product goes.</summary>
/// <param name="Data">Element (Row, Column) of the product.</param>
/// <param name="Stride">Floats from one row to the next.</param>
/// <param name="Row">Row of the product that lies at Data, for the epilogue.</param>
/// <param name="Column">Column of the product that lies at Data.</param>
/// <param name="Rows">Rows of the block.</param>
internal readonly unsafe record struct BlockTarget(
    nint Data, nint Stride, nint Row, nint Column, int Rows)
{
    /// <summary>Element (row, column), counted within the block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* At(nint row, nint column) => (float*)Data + row * Stride + column;
}

/// <summary>One block of the product on one thread.</summary>
internal static unsafe class MatMulBlock
{
    private const int TileFloats =
        MatMulTile.Rows * MatMulTile.MaxVectors * 16;

    /// <summary>
    /// Adds one block of the depth of a·b to a block of the product (or sets it, where
    /// <paramref name="add"/> is false).
    /// </summary>
    /// <param name="a">Left operand, from the block's first row and depth on.</param>
    /// <param name="b">Packed right operand.</param>
    /// <param name="start">Depth in b where its block begins.</param>
    /// <param name="firstPanel">First panel of columns.</param>
    /// <param name="endPanel">Behind the last panel.</param>
    /// <param name="target">The block; its column is that of the first panel.</param>
    /// <param name="add">Whether the sums are added to what the target holds.</param>
    /// <param name="finish">Whether the epilogue is due.</param>
    /// <param name="epilogue">Applied to finished sums.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<T, TEpilogue>(
        in LeftOperand a, in PackedMatrix b, int start, int firstPanel, int endPanel,
        in BlockTarget target, bool add, bool finish, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        float* tile = stackalloc float[TileFloats];
        int depth = Math.Min(b.DepthBlock, b.Depth - start);
        int width = b.PanelWidth;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            float* packed = b.Panel(start, panel);
            int columns = Math.Min(width, b.Columns - panel * width);
            int vectors = (columns + T.Width - 1) / T.Width;
            nint column = (nint)(panel - firstPanel) * width;
            // The panel after this one is fetched while this one is in use, a slice a tile.
            float* next = panel + 1 < endPanel ? b.Panel(start, panel + 1)
                : start + depth < b.Depth ? b.Panel(start + depth, firstPanel) : packed;
            nint slice = 0;
            nint panelFloats = (nint)depth * width;
            for (int row = 0; row < target.Rows; row += MatMulTile.Rows)
            {
                int rows = Math.Min(MatMulTile.Rows, target.Rows - row);
                TileRows left = a.Tile(row, rows);
                FetchTarget(target.At(row, column), target.Stride, rows, columns);
                MatMulTile.Compute<T>(
                    in left, packed, width, depth, vectors, next + slice, tile);
                slice += depth * MatMulTile.LineFloats;
                if (slice >= panelFloats) slice = 0;
                if (finish)
                {
                    Finish<T, TEpilogue>(
                        tile, width, rows, columns, in target, row, column, add, in epilogue);
                }
                else
                {
                    Finish<T, NoEpilogue>(
                        tile, width, rows, columns, in target, row, column, add, default);
                }
            }
        }
    }

    /// <summary>Asks for the lines that the tile will be stored to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FetchTarget(float* target, nint stride, int rows, int columns)
    {
        if (!Sse.IsSupported) return;
        for (int r = 0; r < rows; r++)
        {
            for (int j = 0; j < columns; j += MatMulTile.LineFloats) Sse.Prefetch0(target + j);
            target += stride;
        }
    }

    /// <summary>Brings a tile of sums to memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish<T, TEpilogue>(
        float* tile, nint tileStride, int rows, int columns, in BlockTarget target, nint row,
        nint column, bool add, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        TEpilogue local = epilogue;
        for (int r = 0; r < rows; r++)
        {
            float* to = target.At(row + r, column);
            nint atRow = target.Row + row + r;
            nint atColumn = target.Column + column;
            int j = 0;
            for (; j + T.Width <= columns; j += T.Width)
            {
                T value = T.Load(tile + j);
                if (add) value = T.Load(to + j) + value;
                T.Store(local.Apply(value, atRow, atColumn + j, T.Width), to + j);
            }

            if (j < columns)
            {
                int rest = columns - j;
                T value = T.Load(tile + j);
                if (add) value = T.LoadPartial(to + j, rest) + value;
                T.StorePartial(local.Apply(value, atRow, atColumn + j, rest), to + j, rest);
            }

            tile += tileStride;
        }
    }
}
