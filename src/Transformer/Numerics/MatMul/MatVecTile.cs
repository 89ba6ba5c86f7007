using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>Four rows of b as stored; behind the last, the last is read again and its sums are
/// dropped.</summary>
/// <param name="data">First element.</param>
/// <param name="stride">Bytes from one row to the next.</param>
/// <param name="count">Rows that exist from here on.</param>
/// <param name="ahead">Elements from a row to where fetching begins while it is read.</param>
/// <param name="slow">Fetching advances by 2⁻ˢˡᵒʷ of what reading does.</param>
internal readonly unsafe struct FourColumns(
    byte* data, nint stride, int count, nint ahead, int slow)
{
    /// <summary>Elements from a row to where fetching begins.</summary>
    public nint Ahead => ahead;

    /// <summary>Logarithm of how many passes share the fetching.</summary>
    public int Slow => slow;

    /// <summary>First element of a row.</summary>
    public byte* At(int column) => data + Math.Min(column, count - 1) * stride;
}

/// <summary>
/// The innermost loops of <see cref="MatVec"/>: sums[r, 0..3] += a(r)·columns, with the sums of up
/// to 6 rows by 4 columns held in registers, a vector of partial sums each.
/// </summary>
/// <remarks>
/// Shapes: a up to 6 rows, b 4 rows, both contiguous along the depth; sums [rows, 32]. b is of a
/// storage type and widened in registers.
/// Registers: 6×4 sums, 4 vectors of b and 1 of a are 29 of 32; 2×4 are 13 of 16.
/// Bytes: a step of 6×4 loads 10 vectors for 24 multiply-adds; nothing is packed. The
/// passes over the same rows of b share the fetching of the next ones evenly, so that b streams
/// into the second-level cache at one pace while the arithmetic goes on.
/// Numerics: the depth ascends by whole vectors; what remains is padded with zeros.
/// </remarks>
internal static unsafe class MatVecTile
{
    /// <summary>Columns from one row of sums to the next.</summary>
    public const int ColumnBlock = 32;

    /// <summary>The most rows of one call.</summary>
    public const int Rows = 6;

    private const int Columns = 4;
    private const int MostWidth = 16;

    /// <summary>Adds the products of up to six rows.</summary>
    [SkipLocalsInit]
    public static void Add<T, TStored>(
        in TileRows a, int rows, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        nint rest = depth % T.Width;
        if (depth > rest) Whole<T, TStored>(in a, rows, in columns, depth - rest, sums);
        if (rest == 0) return;
        float* padded = stackalloc float[(Rows + Columns) * MostWidth];
        for (int row = 0; row < Rows; row++)
        {
            T.Store(T.LoadPartial(a.Row(row) + depth - rest, (int)rest), padded + row * T.Width);
        }

        float* b = padded + Rows * T.Width;
        for (int column = 0; column < Columns; column++)
        {
            T last = StoredTail.Load<T, TStored>(columns.At(column), depth - rest, (int)rest);
            T.Store(last, b + column * T.Width);
        }

        TileRows tailRows = new(padded, T.Width, 1, Rows);
        FourColumns tailColumns = new((byte*)b, T.Width * sizeof(float), Columns, 0, 0);
        Whole<T, StoredFloat32>(in tailRows, rows, in tailColumns, T.Width, sums);
    }

    private static void Whole<T, TStored>(
        in TileRows a, int rows, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        if (rows > 4) Dot6x4<T, TStored>(in a, rows, in columns, depth, sums);
        else if (rows > 2) Dot4x4<T, TStored>(in a, rows, in columns, depth, sums);
        else if (rows == 2) Dot2x4<T, TStored>(in a, in columns, depth, sums);
        else Dot1x4<T, TStored>(in a, in columns, depth, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot6x4<T, TStored>(
        in TileRows a, int rows, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        float* a0 = a.Row(0), a1 = a.Row(1), a2 = a.Row(2);
        float* a3 = a.Row(3), a4 = a.Row(4), a5 = a.Row(5);
        byte* b0 = columns.At(0), b1 = columns.At(1), b2 = columns.At(2), b3 = columns.At(3);
        nint ahead = columns.Ahead;
        int slow = columns.Slow;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero, c22 = T.Zero, c23 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c32 = T.Zero, c33 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero, c42 = T.Zero, c43 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero, c52 = T.Zero, c53 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            Fetch(b0, b1, b2, b3, (ahead + (k >> slow)) * TStored.Size);
            T y0 = TStored.Load<T>(b0, k), y1 = TStored.Load<T>(b1, k);
            T y2 = TStored.Load<T>(b2, k), y3 = TStored.Load<T>(b3, k);
            T x0 = T.Load(a0 + k);
            c00 = T.MultiplyAdd(x0, y0, c00);
            c01 = T.MultiplyAdd(x0, y1, c01);
            c02 = T.MultiplyAdd(x0, y2, c02);
            c03 = T.MultiplyAdd(x0, y3, c03);
            T x1 = T.Load(a1 + k);
            c10 = T.MultiplyAdd(x1, y0, c10);
            c11 = T.MultiplyAdd(x1, y1, c11);
            c12 = T.MultiplyAdd(x1, y2, c12);
            c13 = T.MultiplyAdd(x1, y3, c13);
            T x2 = T.Load(a2 + k);
            c20 = T.MultiplyAdd(x2, y0, c20);
            c21 = T.MultiplyAdd(x2, y1, c21);
            c22 = T.MultiplyAdd(x2, y2, c22);
            c23 = T.MultiplyAdd(x2, y3, c23);
            T x3 = T.Load(a3 + k);
            c30 = T.MultiplyAdd(x3, y0, c30);
            c31 = T.MultiplyAdd(x3, y1, c31);
            c32 = T.MultiplyAdd(x3, y2, c32);
            c33 = T.MultiplyAdd(x3, y3, c33);
            T x4 = T.Load(a4 + k);
            c40 = T.MultiplyAdd(x4, y0, c40);
            c41 = T.MultiplyAdd(x4, y1, c41);
            c42 = T.MultiplyAdd(x4, y2, c42);
            c43 = T.MultiplyAdd(x4, y3, c43);
            T x5 = T.Load(a5 + k);
            c50 = T.MultiplyAdd(x5, y0, c50);
            c51 = T.MultiplyAdd(x5, y1, c51);
            c52 = T.MultiplyAdd(x5, y2, c52);
            c53 = T.MultiplyAdd(x5, y3, c53);
        }

        AddSums(sums, c00, c01, c02, c03);
        AddSums(sums + ColumnBlock, c10, c11, c12, c13);
        AddSums(sums + 2 * ColumnBlock, c20, c21, c22, c23);
        AddSums(sums + 3 * ColumnBlock, c30, c31, c32, c33);
        AddSums(sums + 4 * ColumnBlock, c40, c41, c42, c43);
        if (rows > 5) AddSums(sums + 5 * ColumnBlock, c50, c51, c52, c53);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot4x4<T, TStored>(
        in TileRows a, int rows, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        float* a0 = a.Row(0), a1 = a.Row(1), a2 = a.Row(2);
        float* a3 = a.Row(3);
        byte* b0 = columns.At(0), b1 = columns.At(1), b2 = columns.At(2), b3 = columns.At(3);
        nint ahead = columns.Ahead;
        int slow = columns.Slow;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero, c22 = T.Zero, c23 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c32 = T.Zero, c33 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            Fetch(b0, b1, b2, b3, (ahead + (k >> slow)) * TStored.Size);
            T y0 = TStored.Load<T>(b0, k), y1 = TStored.Load<T>(b1, k);
            T y2 = TStored.Load<T>(b2, k), y3 = TStored.Load<T>(b3, k);
            T x0 = T.Load(a0 + k);
            c00 = T.MultiplyAdd(x0, y0, c00);
            c01 = T.MultiplyAdd(x0, y1, c01);
            c02 = T.MultiplyAdd(x0, y2, c02);
            c03 = T.MultiplyAdd(x0, y3, c03);
            T x1 = T.Load(a1 + k);
            c10 = T.MultiplyAdd(x1, y0, c10);
            c11 = T.MultiplyAdd(x1, y1, c11);
            c12 = T.MultiplyAdd(x1, y2, c12);
            c13 = T.MultiplyAdd(x1, y3, c13);
            T x2 = T.Load(a2 + k);
            c20 = T.MultiplyAdd(x2, y0, c20);
            c21 = T.MultiplyAdd(x2, y1, c21);
            c22 = T.MultiplyAdd(x2, y2, c22);
            c23 = T.MultiplyAdd(x2, y3, c23);
            T x3 = T.Load(a3 + k);
            c30 = T.MultiplyAdd(x3, y0, c30);
            c31 = T.MultiplyAdd(x3, y1, c31);
            c32 = T.MultiplyAdd(x3, y2, c32);
            c33 = T.MultiplyAdd(x3, y3, c33);
        }

        AddSums(sums, c00, c01, c02, c03);
        AddSums(sums + ColumnBlock, c10, c11, c12, c13);
        AddSums(sums + 2 * ColumnBlock, c20, c21, c22, c23);
        if (rows > 3) AddSums(sums + 3 * ColumnBlock, c30, c31, c32, c33);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot2x4<T, TStored>(
        in TileRows a, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        float* a0 = a.Row(0), a1 = a.Row(1);
        byte* b0 = columns.At(0), b1 = columns.At(1), b2 = columns.At(2), b3 = columns.At(3);
        nint ahead = columns.Ahead;
        int slow = columns.Slow;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            Fetch(b0, b1, b2, b3, (ahead + (k >> slow)) * TStored.Size);
            T y0 = TStored.Load<T>(b0, k), y1 = TStored.Load<T>(b1, k);
            T y2 = TStored.Load<T>(b2, k), y3 = TStored.Load<T>(b3, k);
            T x0 = T.Load(a0 + k);
            c00 = T.MultiplyAdd(x0, y0, c00);
            c01 = T.MultiplyAdd(x0, y1, c01);
            c02 = T.MultiplyAdd(x0, y2, c02);
            c03 = T.MultiplyAdd(x0, y3, c03);
            T x1 = T.Load(a1 + k);
            c10 = T.MultiplyAdd(x1, y0, c10);
            c11 = T.MultiplyAdd(x1, y1, c11);
            c12 = T.MultiplyAdd(x1, y2, c12);
            c13 = T.MultiplyAdd(x1, y3, c13);
        }

        AddSums(sums, c00, c01, c02, c03);
        AddSums(sums + ColumnBlock, c10, c11, c12, c13);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot1x4<T, TStored>(
        in TileRows a, in FourColumns columns, nint depth, float* sums)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        float* a0 = a.Row(0);
        byte* b0 = columns.At(0), b1 = columns.At(1), b2 = columns.At(2), b3 = columns.At(3);
        nint ahead = columns.Ahead;
        int slow = columns.Slow;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            Fetch(b0, b1, b2, b3, (ahead + (k >> slow)) * TStored.Size);
            T x = T.Load(a0 + k);
            c00 = T.MultiplyAdd(x, TStored.Load<T>(b0, k), c00);
            c01 = T.MultiplyAdd(x, TStored.Load<T>(b1, k), c01);
            c02 = T.MultiplyAdd(x, TStored.Load<T>(b2, k), c02);
            c03 = T.MultiplyAdd(x, TStored.Load<T>(b3, k), c03);
        }

        AddSums(sums, c00, c01, c02, c03);
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums<T>(float* sums, T c0, T c1, T c2, T c3)
        where T : struct, ISimdFloat<T> =>
        Vector128.Store(Vector128.Load(sums) + T.SumEach(c0, c1, c2, c3), sums);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(byte* b0, byte* b1, byte* b2, byte* b3, nint at)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch1(b0 + at);
        Sse.Prefetch1(b1 + at);
        Sse.Prefetch1(b2 + at);
        Sse.Prefetch1(b3 + at);
    }
}
