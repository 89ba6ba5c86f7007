using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>Elementary functions on vectors, with stated error bounds.</summary>
internal static partial class SimdMath
{
    /// <summary>
    /// eˣ: x = n·ln 2 + r with |r| ≤ ½ ln 2, eˣ = 2ⁿ·p(r), p of degree 6.
    /// </summary>
    /// <remarks>
    /// At most 1 ulp from the exact value for x in [−87.3, 88.7]; 0 below −87.34 (where the result
    /// would be subnormal) and +∞ above 88.72; NaN stays NaN. ln 2 is subtracted in two parts
    /// (Cody, Waite), the first product being exact.
    /// 2ⁿ is applied in two factors because n may be 128, which has no power of its own.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x) where T : struct, ISimdFloat<T>
    {
        T clamped = T.Min(T.Broadcast(88.8f), T.Max(T.Broadcast(-87.4f), x));
        T n = T.Round(clamped * T.Broadcast(1.44269504f));
        T r = T.MultiplyAdd(n, T.Broadcast(-0.693359375f), clamped);
        r = T.MultiplyAdd(n, T.Broadcast(2.12194440e-4f), r);
        T p = ExpReduced(r);
        T half = T.Round(n * T.Broadcast(0.5f));
        T result = p * T.PowerOfTwo(half) * T.PowerOfTwo(n - half);
        result = T.SelectLess(x, T.Broadcast(-87.336f), T.Zero, result);
        return T.SelectLess(
            T.Broadcast(88.7228f), x, T.Broadcast(float.PositiveInfinity), result);
    }

    /// <summary>eʳ for |r| ≤ ½ ln 2: 1 + r + r²·q(r), q of degree 4 with the least largest relative
    /// error of the whole, 3.1·10⁻⁹.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T ExpReduced<T>(T r) where T : struct, ISimdFloat<T>
    {
        T q = T.MultiplyAdd(r, T.Broadcast(1.38145379e-3f), T.Broadcast(8.36874532e-3f));
        q = T.MultiplyAdd(q, r, T.Broadcast(4.166839083e-2f));
        q = T.MultiplyAdd(q, r, T.Broadcast(0.166665204f));
        q = T.MultiplyAdd(q, r, T.Broadcast(0.4999999343f));
        return T.MultiplyAdd(q * r, r, r) + T.Broadcast(1f);
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
        T p = ExpReduced(r);
        return T.SelectLess(x, T.Broadcast(-87.33f), T.Zero, p * T.PowerOfTwo(n));
    }
}
