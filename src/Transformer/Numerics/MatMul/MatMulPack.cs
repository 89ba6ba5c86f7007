using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>
/// op(X) for a row-major X: element (i, j) is Data[i·Stride + j], or Data[j·Stride + i] where
/// transposed.
/// </summary>
internal readonly unsafe struct MatrixView(float* data, nint stride, bool transposed = false)
{
    /// <summary>First element.</summary>
    public float* Data => data;

    /// <summary>Floats from one stored row to the next.</summary>
    public nint Stride => stride;

    /// <summary>Whether the operand is the transpose of what is stored.</summary>
    public bool Transposed => transposed;
}

/// <summary>
/// A right operand [Depth, Columns] rearranged for the tiles: blocks of the depth, in each the
/// panels of columns, in each panel one dense row per step of the depth.
/// </summary>
/// <remarks>
/// A block is at most 256 deep: its 64-column panel (64 KiB at 512 bits) streams from the
/// second-level cache while a tile runs. Columns beyond the last are zero.
/// </remarks>
internal readonly unsafe struct PackedMatrix
{
    private const int MaxDepthBlock = 256;
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

/// <summary>Rearranges operands into the order in which the tiles read them.</summary>
internal static unsafe class MatMulPack
{
    /// <summary>Steps of depth between packed left tiles.</summary>
    public const int TilePad = 8;

    private const int Block = 16;

    // Many short streams start here; the machine's own prefetchers notice them late.
    private const int AheadFloats = 16;
    private const int AheadRows = 8;

    /// <summary>Packs one panel of the right operand, all of its depth.</summary>
    public static void RightPanel(in MatrixView b, in PackedMatrix packed, int panel)
    {
        int width = packed.PanelWidth;
        int column = panel * width;
        int count = Math.Min(width, packed.Columns - column);
        for (int start = 0; start < packed.Depth; start += packed.DepthBlock)
        {
            int depth = Math.Min(packed.DepthBlock, packed.Depth - start);
            float* destination = packed.Panel(start, panel);
            if (count < width) new Span<float>(destination, depth * width).Clear();
            if (b.Transposed)
            {
                Transpose(
                    b.Data + column * b.Stride + start, b.Stride, count, depth, destination,
                    width);
            }
            else
            {
                CopyRows(
                    b.Data + start * b.Stride + column, b.Stride, depth, count, destination,
                    width);
            }
        }
    }

    /// <summary>
    /// Packs a block of a transposed left operand, rows [row, row + rows) and depths [start,
    /// start + depth), in tiles [depth, 6]; rows beyond the last are zero.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LeftBlock(
        in MatrixView a, nint row, int rows, nint start, nint depth, float* packed)
    {
        const int width = MatMulTile.Rows;
        nint tileFloats = (depth + TilePad) * width;
        int whole = rows / width;
        int tail = rows - whole * width;
        float* source = a.Data + start * a.Stride + row;
        for (nint k = 0; k < depth; k++)
        {
            float* from = source;
            float* to = packed + k * width;
            if (k + AheadRows < depth) PrefetchRow(source + AheadRows * a.Stride, rows);
            for (int tile = 0; tile < whole; tile++)
            {
                Vector128.Store(Vector128.Load(from), to);
                *(long*)(to + 4) = *(long*)(from + 4);
                from += width;
                to += tileFloats;
            }

            for (int i = 0; tail > 0 && i < width; i++) to[i] = i < tail ? from[i] : 0;
            source += a.Stride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRows(
        float* source, nint stride, int rows, int count, float* destination, nint width)
    {
        for (int row = 0; row < rows; row++)
        {
            int i = 0;
            for (; i + 4 <= count; i += 4)
            {
                Vector128.Store(Vector128.Load(source + i), destination + i);
            }

            for (; i < count; i++) destination[i] = source[i];
            source += stride;
            destination += width;
        }
    }

    /// <summary>
    /// destination[k, n] = source[n, k]. Blocks of 16×16 touch whole cache lines on both sides.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(
        float* source, nint stride, int rows, int depth, float* destination, nint width)
    {
        for (int k = 0; k < depth; k += Block)
        {
            int depthHere = Math.Min(Block, depth - k);
            for (int n = 0; n < rows; n += Block)
            {
                int rowsHere = Math.Min(Block, rows - n);
                float* from = source + n * stride + k;
                float* to = destination + k * width + n;
                int wholeRows = rowsHere & ~3;
                int wholeDepth = depthHere & ~3;
                for (int row = 0; row < wholeRows; row += 4)
                {
                    Prefetch(from + row * stride + AheadFloats, stride);
                    for (int step = 0; step < wholeDepth; step += 4)
                    {
                        Transpose4x4(
                            from + row * stride + step, stride, to + step * width + row, width);
                    }
                }

                if (wholeRows * wholeDepth == rowsHere * depthHere) continue;
                TransposeRest(
                    from, stride, rowsHere, depthHere, wholeRows, wholeDepth, to, width);
            }
        }
    }

    private static void TransposeRest(
        float* from, nint stride, int rows, int depth, int wholeRows, int wholeDepth, float* to,
        nint width)
    {
        for (int row = 0; row < rows; row++)
        {
            int first = row < wholeRows ? wholeDepth : 0;
            for (int step = first; step < depth; step++)
            {
                to[step * width + row] = from[row * stride + step];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchRow(float* row, int count)
    {
        if (!Sse.IsSupported) return;
        for (int i = 0; i < count; i += MatMulTile.LineFloats) Sse.Prefetch0(row + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* line, nint stride)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch0(line);
        Sse.Prefetch0(line + stride);
        Sse.Prefetch0(line + 2 * stride);
        Sse.Prefetch0(line + 3 * stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4x4(float* from, nint stride, float* to, nint width)
    {
        Vector128<float> a = Vector128.Load(from);
        Vector128<float> b = Vector128.Load(from + stride);
        Vector128<float> c = Vector128.Load(from + 2 * stride);
        Vector128<float> d = Vector128.Load(from + 3 * stride);
        Vector128<float> ac = ZipLow(a, c);
        Vector128<float> bd = ZipLow(b, d);
        Vector128.Store(ZipLow(ac, bd), to);
        Vector128.Store(ZipHigh(ac, bd), to + width);
        ac = ZipHigh(a, c);
        bd = ZipHigh(b, d);
        Vector128.Store(ZipLow(ac, bd), to + 2 * width);
        Vector128.Store(ZipHigh(ac, bd), to + 3 * width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackLow(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipLow(a, b);
        return Vector128.Create(a.ToScalar(), b.ToScalar(), a.GetElement(1), b.GetElement(1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackHigh(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipHigh(a, b);
        return Vector128.Create(
            a.GetElement(2), b.GetElement(2), a.GetElement(3), b.GetElement(3));
    }
}
