using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
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
        T check = T.Zero;
        for (int row = 0; row < rows; row++)
        {
            int column = 0;
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
        return T.Sum(check) == 0;
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
        int padded = Pad<T>(rows);
        int row = 0;
        for (; row + 4 <= rows; row += 4)
        {
            float* from = source + (row * sourceRow);
            float* to = target + row;
            int column = 0;
            for (; column + 4 <= columns; column += 4)
            {
                Transpose4x4(from + column, sourceRow, to + ((long)column * targetRow), targetRow);
            }

            for (; column < columns; column++)
            {
                for (int i = 0; i < 4; i++)
                {
                    to[((long)column * targetRow) + i] = from[column + (i * sourceRow)];
                }
            }
        }

        for (; row < padded; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                target[((long)column * targetRow) + row] =
                    row < rows ? source[(row * sourceRow) + column] : 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose4x4(float* source, long sourceRow, float* target, int targetRow)
    {
        Vector128<float> r0 = Vector128.Load(source);
        Vector128<float> r1 = Vector128.Load(source + sourceRow);
        Vector128<float> r2 = Vector128.Load(source + (2 * sourceRow));
        Vector128<float> r3 = Vector128.Load(source + (3 * sourceRow));
        Vector128<float> t0 = InterleaveLow(r0, r2), t1 = InterleaveHigh(r0, r2);
        Vector128<float> t2 = InterleaveLow(r1, r3), t3 = InterleaveHigh(r1, r3);
        InterleaveLow(t0, t2).Store(target);
        InterleaveHigh(t0, t2).Store(target + targetRow);
        InterleaveLow(t1, t3).Store(target + (2 * targetRow));
        InterleaveHigh(t1, t3).Store(target + (3 * targetRow));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveLow(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackLow(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipLow(a, b);
        return Vector128.Create(a[0], b[0], a[1], b[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveHigh(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackHigh(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipHigh(a, b);
        return Vector128.Create(a[2], b[2], a[3], b[3]);
    }
}
