using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Rotates one head: y₁ = c·x₁ − s·x₂, y₂ = s·x₁ + c·x₂; elements from R on are copied.
/// </summary>
/// <remarks>
/// Shapes: x, y [D], cosines and sines [R/2], contiguous; y may be x.
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
    public static void Halves<T>(
        float* x, float* cosines, float* sines, int half, float sign, float* y)
        where T : struct, ISimdFloat<T>
    {
        T turn = T.Broadcast(sign);
        int i = 0;
        for (; i + T.Width <= half; i += T.Width)
        {
            T c = T.Load(cosines + i), s = T.Load(sines + i) * turn;
            T x1 = T.Load(x + i), x2 = T.Load(x + half + i);
            T.Store((c * x1) - (s * x2), y + i);
            T.Store((s * x1) + (c * x2), y + half + i);
        }

        if (i == half) return;
        int rest = half - i;
        T tailC = T.LoadPartial(cosines + i, rest), tailS = T.LoadPartial(sines + i, rest) * turn;
        T tail1 = T.LoadPartial(x + i, rest), tail2 = T.LoadPartial(x + half + i, rest);
        T.StorePartial((tailC * tail1) - (tailS * tail2), y + i, rest);
        T.StorePartial((tailS * tail1) + (tailC * tail2), y + half + i, rest);
    }

    /// <summary>As <see cref="Halves"/>, pairs being neighbours.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Neighbours<T>(
        float* x, float* cosines, float* sines, int half, float sign, float* y)
        where T : struct, ISimdFloat<T>
    {
        T turn = T.Broadcast(sign);
        int i = 0;
        for (; i + T.Width <= half; i += T.Width)
        {
            T c = T.Load(cosines + i), s = T.Load(sines + i) * turn;
            T low = T.Load(x + (2 * i)), high = T.Load(x + (2 * i) + T.Width);
            T x1 = T.Even(low, high), x2 = T.Odd(low, high);
            T real = (c * x1) - (s * x2), imaginary = (s * x1) + (c * x2);
            T.Store(T.ZipLow(real, imaginary), y + (2 * i));
            T.Store(T.ZipHigh(real, imaginary), y + (2 * i) + T.Width);
        }

        for (; i < half; i++)
        {
            float s = sines[i] * sign, x1 = x[2 * i], x2 = x[(2 * i) + 1];
            y[2 * i] = (cosines[i] * x1) - (s * x2);
            y[(2 * i) + 1] = (s * x1) + (cosines[i] * x2);
        }
    }

    /// <summary>A whole head of D elements, R = 2 · half of them rotated.</summary>
    public static void Rotate<T>(
        float* x, float* cosines, float* sines, int half, int dimension, bool interleaved,
        float sign, float* y) where T : struct, ISimdFloat<T>
    {
        if (interleaved) Neighbours<T>(x, cosines, sines, half, sign, y);
        else Halves<T>(x, cosines, sines, half, sign, y);
        int rest = dimension - (2 * half);
        if (x == y || rest == 0) return;
        new Span<float>(x + (2 * half), rest).CopyTo(new Span<float>(y + (2 * half), rest));
    }
}
