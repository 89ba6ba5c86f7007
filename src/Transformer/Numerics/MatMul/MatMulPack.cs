using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>Rearranges operands into the order in which the tiles read them.</summary>
internal static unsafe class MatMulPack
{
    /// <summary>Steps of depth between packed left tiles.</summary>
    public const int TilePad = 8;

    private const int Block = 16;
    private const int MostPanelWidth = 64;
    private const int WideDepth = 64;

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
            if (b.IsNarrow)
            {
                MatrixView from = b.From(start, column);
                WidenPanel(in from, count, depth, destination, width);
            }
            else if (b.Transposed)
            {
                Transpose(
                    b.Floats(column, start), b.Stride, count, depth, destination, width);
            }
            else
            {
                CopyRows(b.Floats(start, column), b.Stride, depth, count, destination, width);
            }
        }
    }

    /// <summary>The same for a panel stored in 16 bits: rows as stored are widened, 64 elements at
    /// a time where they are to be transposed.</summary>
    [SkipLocalsInit]
    private static void WidenPanel(
        in MatrixView b, int count, int depth, float* destination, int width)
    {
        if (!b.Transposed)
        {
            for (int k = 0; k < depth; k++)
                FloatStorage.Widen(b.Type, b.At(k, 0), destination + (nint)k * width, count);
            return;
        }

        float* copy = stackalloc float[MostPanelWidth * WideDepth];
        for (int k = 0; k < depth; k += WideDepth)
        {
            int depthHere = Math.Min(WideDepth, depth - k);
            for (int n = 0; n < count; n++)
            {
                if (Sse.IsSupported) Sse.Prefetch0(b.At(n, k + WideDepth));
                FloatStorage.Widen(b.Type, b.At(n, k), copy + n * WideDepth, depthHere);
            }

            Transpose(
                copy, WideDepth, count, depthHere, destination + (nint)k * width, width);
        }
    }

    /// <summary>
    /// Packs a block of a transposed left operand, rows [row, row + rows) and depths [start,
    /// start + depth), in tiles [depth, 6]; rows beyond the last are zero.
    /// </summary>
    /// <param name="a">Left operand.</param>
    /// <param name="row">First row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="start">First depth.</param>
    /// <param name="depth">Depths.</param>
    /// <param name="packed">The tiles.</param>
    /// <param name="copy">[rows], where the operand is stored in 16 bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LeftBlock(
        in MatrixView a, nint row, int rows, nint start, nint depth, float* packed, float* copy)
    {
        const int width = MatMulTile.Rows;
        nint tileFloats = (depth + TilePad) * width;
        int whole = rows / width;
        int tail = rows - whole * width;
        bool narrow = a.IsNarrow;
        float* source = narrow ? copy : a.Floats(start, row);
        nint step = narrow ? 0 : a.Stride;
        for (nint k = 0; k < depth; k++)
        {
            if (narrow) FloatStorage.Widen(a.Type, a.At(start + k, row), copy, rows);
            float* from = source;
            float* to = packed + k * width;
            if (k + AheadRows < depth) PrefetchRow(source + AheadRows * step, rows);
            for (int tile = 0; tile < whole; tile++)
            {
                Vector128.Store(Vector128.Load(from), to);
                *(long*)(to + 4) = *(long*)(from + 4);
                from += width;
                to += tileFloats;
            }

            for (int i = 0; tail > 0 && i < width; i++) to[i] = i < tail ? from[i] : 0;
            source += step;
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
        Vector128<float> ac = Lane.ZipLow(a, c);
        Vector128<float> bd = Lane.ZipLow(b, d);
        Vector128.Store(Lane.ZipLow(ac, bd), to);
        Vector128.Store(Lane.ZipHigh(ac, bd), to + width);
        ac = Lane.ZipHigh(a, c);
        bd = Lane.ZipHigh(b, d);
        Vector128.Store(Lane.ZipLow(ac, bd), to + 2 * width);
        Vector128.Store(Lane.ZipHigh(ac, bd), to + 3 * width);
    }
}
