using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Rotates one head: y₁ = c·x₁ − s·x₂, y₂ = s·x₁ + c·x₂; elements from R on are copied.
/// </summary>
/// <remarks>
/// Shapes: x, y [D], cosines and sines [R/2], contiguous; y may be x. Numbers and tables are of
/// storage types, widened and rounded in registers.
/// Work: a vector holds 16/8/4 pairs. Interleaved pairs are dealt to two vectors and back.
/// Bytes: x read and y written once; 3 operations an element, bound by memory.
/// Numerics: binary32; every product and sum is rounded on its own, so that a result is the same
/// at any vector width, in a whole vector or in its tail.
/// Source: Su et al. 2021, eq. 34.
/// </remarks>
internal static unsafe class RotaryRow
{
    /// <summary>Rotates forwards, or back where <paramref name="sign"/> is −1 instead of 1.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Halves<T, TData, TTable>(
        byte* x, byte* cosines, byte* sines, int half, float sign, byte* y)
        where T : struct, ISimdFloat<T>
        where TData : struct, IStoredFloat where TTable : struct, IStoredFloat
    {
        T turn = T.Broadcast(sign);
        int i = 0;
        for (; i + T.Width <= half; i += T.Width)
        {
            T c = TTable.Load<T>(cosines, i), s = TTable.Load<T>(sines, i) * turn;
            T x1 = TData.Load<T>(x, i), x2 = TData.Load<T>(x, half + i);
            TData.Store((c * x1) - (s * x2), y, i);
            TData.Store((s * x1) + (c * x2), y, half + i);
        }

        if (i == half) return;
        int rest = half - i;
        T tailC = StoredTail.Load<T, TTable>(cosines, i, rest);
        T tailS = StoredTail.Load<T, TTable>(sines, i, rest) * turn;
        T tail1 = StoredTail.Load<T, TData>(x, i, rest);
        T tail2 = StoredTail.Load<T, TData>(x, half + i, rest);
        StoredTail.Store<T, TData>((tailC * tail1) - (tailS * tail2), y, i, rest);
        StoredTail.Store<T, TData>((tailS * tail1) + (tailC * tail2), y, half + i, rest);
    }

    /// <summary>As <see cref="Halves"/>, pairs being neighbours.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Neighbours<T, TData, TTable>(
        byte* x, byte* cosines, byte* sines, int half, float sign, byte* y)
        where T : struct, ISimdFloat<T>
        where TData : struct, IStoredFloat where TTable : struct, IStoredFloat
    {
        T turn = T.Broadcast(sign);
        int i = 0;
        for (; i + T.Width <= half; i += T.Width)
        {
            T c = TTable.Load<T>(cosines, i), s = TTable.Load<T>(sines, i) * turn;
            T low = TData.Load<T>(x, 2 * i), high = TData.Load<T>(x, (2 * i) + T.Width);
            T x1 = T.Even(low, high), x2 = T.Odd(low, high);
            T real = (c * x1) - (s * x2), imaginary = (s * x1) + (c * x2);
            TData.Store(T.ZipLow(real, imaginary), y, 2 * i);
            TData.Store(T.ZipHigh(real, imaginary), y, (2 * i) + T.Width);
        }

        if (i < half)
            LastNeighbours<T, TData, TTable>(x, cosines, sines, i, half - i, turn, y);
    }

    /// <summary>Fewer pairs than a vector has lanes, which may still be more numbers than that.
    /// </summary>
    private static void LastNeighbours<T, TData, TTable>(
        byte* x, byte* cosines, byte* sines, int i, int pairs, T turn, byte* y)
        where T : struct, ISimdFloat<T>
        where TData : struct, IStoredFloat where TTable : struct, IStoredFloat
    {
        int lower = Math.Min(T.Width, 2 * pairs), upper = (2 * pairs) - lower;
        T c = StoredTail.Load<T, TTable>(cosines, i, pairs);
        T s = StoredTail.Load<T, TTable>(sines, i, pairs) * turn;
        T low = StoredTail.Load<T, TData>(x, 2 * i, lower);
        T high = StoredTail.Load<T, TData>(x, (2 * i) + lower, upper);
        T x1 = T.Even(low, high), x2 = T.Odd(low, high);
        T real = (c * x1) - (s * x2), imaginary = (s * x1) + (c * x2);
        StoredTail.Store<T, TData>(T.ZipLow(real, imaginary), y, 2 * i, lower);
        StoredTail.Store<T, TData>(T.ZipHigh(real, imaginary), y, (2 * i) + lower, upper);
    }

    /// <summary>A whole head of D elements, R = 2 · half of them rotated.</summary>
    public static void Rotate<T>(
        float* x, float* cosines, float* sines, int half, int dimension, bool interleaved,
        float sign, float* y) where T : struct, ISimdFloat<T> =>
        Rotate<T, StoredFloat32, StoredFloat32>((byte*)x, (byte*)cosines, (byte*)sines, half,
            dimension, interleaved, sign, (byte*)y);

    /// <summary>As above, of numbers and tables as they are stored.</summary>
    public static void Rotate<T, TData, TTable>(
        byte* x, byte* cosines, byte* sines, int half, int dimension, bool interleaved,
        float sign, byte* y)
        where T : struct, ISimdFloat<T>
        where TData : struct, IStoredFloat where TTable : struct, IStoredFloat
    {
        if (interleaved) Neighbours<T, TData, TTable>(x, cosines, sines, half, sign, y);
        else Halves<T, TData, TTable>(x, cosines, sines, half, sign, y);
        int rest = (dimension - (2 * half)) * TData.Size, rotated = 2 * half * TData.Size;
        if (x == y || rest == 0) return;
        new Span<byte>(x + rotated, rest).CopyTo(new Span<byte>(y + rotated, rest));
    }
}
