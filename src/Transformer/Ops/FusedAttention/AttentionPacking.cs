using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Copies tiles of strided matrices into dense scratch, padded with zeros.</summary>
internal static unsafe class AttentionPacking
{
    /// <summary>Smallest multiple of the vector width that holds <paramref name="count"/>.
    /// </summary>
    public static int Pad<T>(int count) where T : struct, ISimdFloat<T> =>
        (count + T.Width - 1) / T.Width * T.Width;

    /// <summary>
    /// target[row, column] = scale · source[row, column], columns padded to the vector width.
    /// </summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="sourceRow">Floats from one source row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="scale">Factor.</param>
    /// <param name="target">[rows, Pad(columns)].</param>
    /// <returns>True when every number is finite.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Rows<T>(
        float* source, long sourceRow, int rows, int columns, float scale, float* target)
        where T : struct, ISimdFloat<T>
    {
        int padded = Pad<T>(columns);
        T factor = T.Broadcast(scale);
        // Four sums: each addition to one would wait for the one before.
        T check = T.Zero, check1 = check, check2 = check, check3 = check;
        for (int row = 0; row < rows; row++)
        {
            int column = 0;
            for (; column + (4 * T.Width) <= columns; column += 4 * T.Width)
            {
                float* from = source + column, to = target + column;
                T x0 = T.Load(from), x1 = T.Load(from + T.Width);
                T x2 = T.Load(from + (2 * T.Width)), x3 = T.Load(from + (3 * T.Width));
                check = T.MultiplyAdd(x0, T.Zero, check);
                check1 = T.MultiplyAdd(x1, T.Zero, check1);
                check2 = T.MultiplyAdd(x2, T.Zero, check2);
                check3 = T.MultiplyAdd(x3, T.Zero, check3);
                T.Store(x0 * factor, to);
                T.Store(x1 * factor, to + T.Width);
                T.Store(x2 * factor, to + (2 * T.Width));
                T.Store(x3 * factor, to + (3 * T.Width));
            }

            for (; column + T.Width <= columns; column += T.Width)
            {
                T x = T.Load(source + column);
                check = T.MultiplyAdd(x, T.Zero, check);
                T.Store(x * factor, target + column);
            }

            if (column < columns)
            {
                T x = T.LoadPartial(source + column, columns - column);
                check = T.MultiplyAdd(x, T.Zero, check);
                T.Store(x * factor, target + column);
            }

            source += sourceRow;
            target += padded;
        }

        // x·0 is 0 for every finite x and NaN otherwise, and NaN stays in a sum.
        return T.Sum(check + check1 + (check2 + check3)) == 0;
    }

    /// <summary>True when every number of a matrix is finite.</summary>
    /// <param name="source">[rows, columns], columns a multiple of the width.</param>
    /// <param name="sourceRow">Floats from one row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AreFinite<T>(float* source, long sourceRow, int rows, int columns)
        where T : struct, ISimdFloat<T>
    {
        T even = T.Zero, odd = T.Zero;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column += T.Width)
            {
                even = T.MultiplyAdd(T.Load(source + column), T.Zero, even);
                (even, odd) = (odd, even);
            }

            source += sourceRow;
        }

        return T.Sum(even + odd) == 0;
    }

    /// <summary>target[row, column] = scale · source[row, column], tails not padded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack<T>(
        float* source, int rows, int columns, float scale, float* target, long targetRow)
        where T : struct, ISimdFloat<T>
    {
        int padded = Pad<T>(columns);
        T factor = T.Broadcast(scale);
        for (int row = 0; row < rows; row++)
        {
            int column = 0;
            for (; column + T.Width <= columns; column += T.Width)
            {
                T.Store(T.Load(source + column) * factor, target + column);
            }

            if (column < columns)
            {
                T.StorePartial(
                    T.Load(source + column) * factor, target + column, columns - column);
            }

            source += padded;
            target += targetRow;
        }
    }

    /// <summary>target[j] += source[j].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<T>(float* source, float* target, int count)
        where T : struct, ISimdFloat<T>
    {
        int j = 0;
        for (; j + T.Width <= count; j += T.Width)
        {
            T.Store(T.Load(target + j) + T.Load(source + j), target + j);
        }

        if (j == count) return;
        int left = count - j;
        T.StorePartial(T.LoadPartial(target + j, left) + T.LoadPartial(source + j, left),
            target + j, left);
    }

    /// <summary>As <see cref="Accumulate"/>, to a target of any stored type.</summary>
    /// <param name="source">[count].</param>
    /// <param name="type">Of the target.</param>
    /// <param name="target">[count].</param>
    /// <param name="count">Elements.</param>
    /// <param name="scratch">[count].</param>
    public static void AddTo<T>(
        float* source, DType type, void* target, int count, float* scratch)
        where T : struct, ISimdFloat<T>
    {
        FloatStorage.Widen(type, target, scratch, count);
        Accumulate<T>(source, scratch, count);
        FloatStorage.Narrow(type, scratch, target, count);
    }

    /// <summary>target[column, row] = source[row, column], rows padded to the vector width.
    /// </summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="sourceRow">Floats from one source row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="target">[columns, targetRow].</param>
    /// <param name="targetRow">Floats from one target row to the next, at least Pad(rows).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transposed<T>(
        float* source, long sourceRow, int rows, int columns, float* target, int targetRow)
        where T : struct, ISimdFloat<T>
    {
        int wide = Avx.IsSupported ? 8 : 4;
        int row = 0;
        for (; row + wide <= rows; row += wide)
        {
            float* from = source + (row * sourceRow);
            float* to = target + row;
            int column = 0;
            for (; column + 4 <= columns; column += 4)
            {
                if (Avx.IsSupported) Transpose8x4(from + column, sourceRow, to, targetRow);
                else Transpose4x4(from + column, sourceRow, to, targetRow);
                to += 4L * targetRow;
            }

            for (; column < columns; column++, to += targetRow)
            {
                for (int i = 0; i < wide; i++) to[i] = from[column + (i * sourceRow)];
            }
        }

        for (int padded = Pad<T>(rows); row < padded; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                target[((long)column * targetRow) + row] =
                    row < rows ? source[(row * sourceRow) + column] : 0;
            }
        }
    }

    /// <summary>Two 4×4 blocks, rows 0..3 and 4..7, in the two halves of each vector: the loads put
    /// them there, so that no shuffle crosses a half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose8x4(float* source, long sourceRow, float* target, int targetRow)
    {
        float* below = source + (4 * sourceRow);
        Vector256<float> r0 = Halves(source, below);
        Vector256<float> r1 = Halves(source + sourceRow, below + sourceRow);
        Vector256<float> r2 = Halves(source + (2 * sourceRow), below + (2 * sourceRow));
        Vector256<float> r3 = Halves(source + (3 * sourceRow), below + (3 * sourceRow));
        Vector256<float> t0 = Avx.UnpackLow(r0, r2), t1 = Avx.UnpackHigh(r0, r2);
        Vector256<float> t2 = Avx.UnpackLow(r1, r3), t3 = Avx.UnpackHigh(r1, r3);
        Avx.UnpackLow(t0, t2).Store(target);
        Avx.UnpackHigh(t0, t2).Store(target + targetRow);
        Avx.UnpackLow(t1, t3).Store(target + (2 * targetRow));
        Avx.UnpackHigh(t1, t3).Store(target + (3 * targetRow));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(float* low, float* high) =>
        Avx.InsertVector128(Vector128.Load(low).ToVector256Unsafe(), Vector128.Load(high), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4x4(float* source, long sourceRow, float* target, int targetRow)
    {
        Vector128<float> r0 = Vector128.Load(source);
        Vector128<float> r1 = Vector128.Load(source + sourceRow);
        Vector128<float> r2 = Vector128.Load(source + (2 * sourceRow));
        Vector128<float> r3 = Vector128.Load(source + (3 * sourceRow));
        Vector128<float> t0 = Lane.ZipLow(r0, r2), t1 = Lane.ZipHigh(r0, r2);
        Vector128<float> t2 = Lane.ZipLow(r1, r3), t3 = Lane.ZipHigh(r1, r3);
        Lane.ZipLow(t0, t2).Store(target);
        Lane.ZipHigh(t0, t2).Store(target + targetRow);
        Lane.ZipLow(t1, t3).Store(target + (2 * targetRow));
        Lane.ZipHigh(t1, t3).Store(target + (3 * targetRow));
    }
}
