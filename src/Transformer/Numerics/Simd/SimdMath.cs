using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>Elementary functions on vectors, with stated error bounds.</summary>
internal static partial class SimdMath
{
    /// <summary>
    /// eˣ: x = n·ln 2 + r with |r| ≤ ½ ln 2, eˣ = 2ⁿ·p(r), p of degree 6.
    /// </summary>
    /// <remarks>
    /// At most 2 ulp from the exact value for x in [−87.3, 88.7]; 0 below −87.34 (where the result
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
    /// overflow. 0 below −87.33; −∞ gives 0; NaN stays NaN. At most 2 ulp on every float from
    /// −87.33 to 0.
    /// </summary>
    /// <remarks>
    /// x·log₂e + 1.5·2²³ + 127 is rounded to an integer by the addition itself, and its low bits
    /// are the exponent of 2ⁿ: neither a rounding nor a conversion is needed. Where x is below the
    /// bound, −∞ included, whatever comes out is replaced at the end.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ExpNonPositive<T>(T x) where T : struct, ISimdFloat<T>
    {
        T biased = T.MultiplyAdd(x, T.Broadcast(1.44269504f), T.Broadcast(12583039f));
        T n = biased - T.Broadcast(12583039f);
        T r = T.MultiplyAdd(n, T.Broadcast(-0.693359375f), x);
        r = T.MultiplyAdd(n, T.Broadcast(2.12194440e-4f), r);
        T result = ExpReduced(r) * T.PowerOfTwoBiased(biased);
        return T.SelectLess(x, T.Broadcast(-87.33f), T.Zero, result);
    }

    /// <summary><see cref="ExpNonPositive{T}(T)"/> of four vectors, the same bits.</summary>
    /// <remarks>
    /// The steps of one exponential wait for each other, and a processor looks ahead only so far:
    /// written one after the other, four of them would run at a fraction of the rate that their
    /// interleaved steps reach.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ExpNonPositive<T>(ref T a, ref T b, ref T c, ref T d)
        where T : struct, ISimdFloat<T>
    {
        T log2e = T.Broadcast(1.44269504f), bias = T.Broadcast(12583039f);
        T na = T.MultiplyAdd(a, log2e, bias), nb = T.MultiplyAdd(b, log2e, bias);
        T nc = T.MultiplyAdd(c, log2e, bias), nd = T.MultiplyAdd(d, log2e, bias);
        T ln2 = T.Broadcast(-0.693359375f), rest = T.Broadcast(2.12194440e-4f);
        T ra = T.MultiplyAdd(na - bias, ln2, a), rb = T.MultiplyAdd(nb - bias, ln2, b);
        T rc = T.MultiplyAdd(nc - bias, ln2, c), rd = T.MultiplyAdd(nd - bias, ln2, d);
        ra = T.MultiplyAdd(na - bias, rest, ra);
        rb = T.MultiplyAdd(nb - bias, rest, rb);
        rc = T.MultiplyAdd(nc - bias, rest, rc);
        rd = T.MultiplyAdd(nd - bias, rest, rd);
        T k = T.Broadcast(1.38145379e-3f), l = T.Broadcast(8.36874532e-3f);
        T qa = T.MultiplyAdd(ra, k, l), qb = T.MultiplyAdd(rb, k, l);
        T qc = T.MultiplyAdd(rc, k, l), qd = T.MultiplyAdd(rd, k, l);
        k = T.Broadcast(4.166839083e-2f);
        qa = T.MultiplyAdd(qa, ra, k);
        qb = T.MultiplyAdd(qb, rb, k);
        qc = T.MultiplyAdd(qc, rc, k);
        qd = T.MultiplyAdd(qd, rd, k);
        k = T.Broadcast(0.166665204f);
        qa = T.MultiplyAdd(qa, ra, k);
        qb = T.MultiplyAdd(qb, rb, k);
        qc = T.MultiplyAdd(qc, rc, k);
        qd = T.MultiplyAdd(qd, rd, k);
        k = T.Broadcast(0.4999999343f);
        qa = T.MultiplyAdd(qa, ra, k);
        qb = T.MultiplyAdd(qb, rb, k);
        qc = T.MultiplyAdd(qc, rc, k);
        qd = T.MultiplyAdd(qd, rd, k);
        k = T.Broadcast(1f);
        qa = T.MultiplyAdd(qa * ra, ra, ra) + k;
        qb = T.MultiplyAdd(qb * rb, rb, rb) + k;
        qc = T.MultiplyAdd(qc * rc, rc, rc) + k;
        qd = T.MultiplyAdd(qd * rd, rd, rd) + k;
        T least = T.Broadcast(-87.33f);
        a = T.SelectLess(a, least, T.Zero, qa * T.PowerOfTwoBiased(na));
        b = T.SelectLess(b, least, T.Zero, qb * T.PowerOfTwoBiased(nb));
        c = T.SelectLess(c, least, T.Zero, qc * T.PowerOfTwoBiased(nc));
        d = T.SelectLess(d, least, T.Zero, qd * T.PowerOfTwoBiased(nd));
    }
}
