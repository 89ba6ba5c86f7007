using System.Runtime.CompilerServices;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>
/// op(X) for a row-major X: element (i, j) is Data[i·Stride + j], or Data[j·Stride + i] where
/// transposed.
/// </summary>
internal readonly unsafe struct MatrixView(
    void* data, nint stride, bool transposed = false, DType type = DType.Float32)
{
    /// <summary>Views a buffer.</summary>
    public MatrixView(BufferView view, nint stride, bool transposed = false)
        : this((void*)view.Address, stride, transposed, view.DType)
    {
    }

    /// <summary>First element.</summary>
    public byte* Data => (byte*)data;

    /// <summary>How elements are stored: Float32, Float16 or BFloat16.</summary>
    public DType Type => type;

    /// <summary>Whether elements are widened on the way to the tiles.</summary>
    public bool IsNarrow => type != DType.Float32;

    /// <summary>Elements from one stored row to the next.</summary>
    public nint Stride => stride;

    /// <summary>Whether the operand is the transpose of what is stored.</summary>
    public bool Transposed => transposed;

    /// <summary>Address of an element, counted as stored.</summary>
    public byte* At(nint row, nint column) => Data + (row * stride + column) * type.Size();

    /// <summary>The same as floats, which they must be.</summary>
    public float* Floats(nint row, nint column) => (float*)data + row * stride + column;

    /// <summary>The operand from element (row, column) on.</summary>
    public MatrixView From(nint row, nint column) => new(
        transposed ? At(column, row) : At(row, column), stride, transposed, type);
}

/// <summary>
/// A right operand [Depth, Columns] rearranged for the tiles: blocks of the depth, in each the
/// panels of columns, in each panel one dense row per step of the depth.
/// </summary>
/// <remarks>
/// A block is at most 512 deep: deep enough that a tile of sums is brought to memory once in
/// thousands of cycles, and so shallow that 132 rows of the left operand (264 KiB), the panel in
/// use and the one being fetched (64 columns at 512 bits: 128 KiB each) share a second-level cache
/// of 1 MiB. The panel streams from there while a tile runs: 4 loads for 24 multiply-adds.
/// Columns beyond the last are zero.
/// </remarks>
internal readonly unsafe struct PackedMatrix
{
    private const int MaxDepthBlock = 512;
    private const int DepthGranule = 64;

    /// <summary>Describes the layout; <see cref="Floats"/> is the memory that it needs.</summary>
    public PackedMatrix(int depth, int columns, int panelWidth, float* data = null)
    {
        Depth = depth;
        Columns = columns;
        PanelWidth = panelWidth;
        Data = data;
        int blocks = (depth + MaxDepthBlock - 1) / MaxDepthBlock;
        int even = (depth + blocks - 1) / Math.Max(1, blocks);
        DepthBlock = (even + DepthGranule - 1) / DepthGranule * DepthGranule;
    }

    public float* Data { get; }

    public int Depth { get; }

    public int Columns { get; }

    /// <summary>Columns of a panel.</summary>
    public int PanelWidth { get; }

    /// <summary>Depth of every block but the last; a multiple of 64.</summary>
    public int DepthBlock { get; }

    public int Panels => (Columns + PanelWidth - 1) / PanelWidth;

    /// <summary>Floats that the packed matrix takes.</summary>
    public long Floats => (long)Depth * Panels * PanelWidth;

    /// <summary>The same layout in memory.</summary>
    public PackedMatrix At(float* data) => new(Depth, Columns, PanelWidth, data);

    /// <summary>A panel [min(DepthBlock, Depth − start), PanelWidth] of the block at depth
    /// <paramref name="start"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Panel(int start, int panel)
    {
        nint depth = Math.Min(DepthBlock, Depth - start);
        return Data + ((nint)start * Panels + panel * depth) * PanelWidth;
    }
}
