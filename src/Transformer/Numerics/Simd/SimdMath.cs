using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>Elementary functions on vectors, with stated error bounds.</summary>
internal static class SimdMath
{
    /// <summary>
    /// eˣ: x = n·ln 2 + r with |r| ≤ ½ ln 2, eˣ = 2ⁿ·p(r), p of degree 6.
    /// </summary>
    /// <remarks>
    /// At most 2 ulp from the exact value for x in [−87.3, 88.7]; 0 below −87.34 (where the result
    /// would be subnormal) and +∞ above 88.72; NaN stays NaN. ln 2 is subtracted in two parts
    /// (Cody, Waite), so r is exact to the last bit; coefficients are 1/k!, the remainder of the
    /// series after degree 6 being below 2⁻²⁶ on the interval.
    /// 2ⁿ is applied in two factors because n may be 128, which has no power of its own.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x) where T : struct, ISimdFloat<T>
    {
        T clamped = T.Min(T.Broadcast(88.8f), T.Max(T.Broadcast(-87.4f), x));
        T n = T.Round(clamped * T.Broadcast(1.44269504f));
        T r = T.MultiplyAdd(n, T.Broadcast(-0.693359375f), clamped);
        r = T.MultiplyAdd(n, T.Broadcast(2.12194440e-4f), r);
        T p = T.MultiplyAdd(r, T.Broadcast(1f / 720), T.Broadcast(1f / 120));
        p = T.MultiplyAdd(p, r, T.Broadcast(1f / 24));
        p = T.MultiplyAdd(p, r, T.Broadcast(1f / 6));
        p = T.MultiplyAdd(p, r, T.Broadcast(0.5f));
        p = T.MultiplyAdd(p * r, r, r);
        p += T.Broadcast(1f);
        T half = T.Round(n * T.Broadcast(0.5f));
        T result = p * T.PowerOfTwo(half) * T.PowerOfTwo(n - half);
        result = T.SelectLess(x, T.Broadcast(-87.336f), T.Zero, result);
        return T.SelectLess(
            T.Broadcast(88.7228f), x, T.Broadcast(float.PositiveInfinity), result);
    }

    /// <summary>
    /// eˣ for x ≤ 0, the case of softmax after its maximum is subtracted: one power of two, no
    /// overflow. 0 below −87.33; −∞ gives 0; NaN stays NaN. At most 2 ulp.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ExpNonPositive<T>(T x) where T : struct, ISimdFloat<T>
    {
        T clamped = T.Max(T.Broadcast(-87.33f), x);
        T n = T.Round(clamped * T.Broadcast(1.44269504f));
        T r = T.MultiplyAdd(n, T.Broadcast(-0.693359375f), clamped);
        r = T.MultiplyAdd(n, T.Broadcast(2.12194440e-4f), r);
        T p = T.MultiplyAdd(r, T.Broadcast(1f / 720), T.Broadcast(1f / 120));
        p = T.MultiplyAdd(p, r, T.Broadcast(1f / 24));
        p = T.MultiplyAdd(p, r, T.Broadcast(1f / 6));
        p = T.MultiplyAdd(p, r, T.Broadcast(0.5f));
        p = T.MultiplyAdd(p * r, r, r);
        p += T.Broadcast(1f);
        return T.SelectLess(x, T.Broadcast(-87.33f), T.Zero, p * T.PowerOfTwo(n));
    }
}
