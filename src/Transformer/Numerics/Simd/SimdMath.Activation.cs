using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <remarks>
/// The rational functions here have the least largest relative error on their interval, found by
/// iteratively re-weighted least squares in 50 digits.
/// </remarks>
internal static partial class SimdMath
{
    private const float InverseRootTwoPi = 0.398942280f;
    private const float Root2OverPi = 0.797884561f;
    private const float GeluCubic = 0.044715f;

    /// <summary>
    /// tanh |x| = (1 − e)/(1 + e) with e = exp(−2|x|), and below 0.3, where 1 − e would cancel, the
    /// odd series up to x⁹, whose remainder is 5·10⁻⁸ of the value.
    /// </summary>
    /// <remarks>Largest error 2.2 ulp, 1.3·10⁻⁷, measured on every float from 10⁻⁵ to 11; ±∞
    /// give ±1, −0 gives −0, NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : struct, ISimdFloat<T>
    {
        T magnitude = T.Abs(x);
        T one = T.Broadcast(1);
        T e = ExpNonPositive(magnitude * T.Broadcast(-2));
        T far = (one - e) / (one + e);
        T square = x * x;
        T p = T.MultiplyAdd(square, T.Broadcast(62f / 2835), T.Broadcast(-17f / 315));
        p = T.MultiplyAdd(p, square, T.Broadcast(2f / 15));
        p = T.MultiplyAdd(p, square, T.Broadcast(-1f / 3));
        T near = T.MultiplyAdd(p * square, magnitude, magnitude);
        return T.CopySign(T.SelectLess(magnitude, T.Broadcast(0.3f), near, far), x);
    }

    /// <summary>Derivative 4e/(1 + e)² of <see cref="Tanh"/>, e = exp(−2|x|), and its value.
    /// </summary>
    /// <remarks>Nothing cancels: at most 6 ulp; 0 from |x| = 44 on, where e is 0; NaN stays NaN.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T TanhDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        value = Tanh(x);
        T e = ExpNonPositive(T.Abs(x) * T.Broadcast(-2));
        T sum = T.Broadcast(1) + e;
        return T.Broadcast(4) * e / (sum * sum);
    }

    /// <summary>
    /// erf x = x·P(x²)/Q(x²), degrees 5 and 5, |x| being limited to 3.925, where erf is 1.
    /// </summary>
    /// <remarks>Largest error 7 ulp, 4·10⁻⁷; ±∞ give ±1 within 2 ulp; NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Erf<T>(T x) where T : struct, ISimdFloat<T>
    {
        x = Clamp(x, 3.925f);
        T t = x * x;
        T p = T.MultiplyAdd(t, T.Broadcast(2.045960351e-6f), T.Broadcast(2.848099453e-4f));
        p = T.MultiplyAdd(p, t, T.Broadcast(3.771731986e-3f));
        p = T.MultiplyAdd(p, t, T.Broadcast(5.276672454e-2f));
        p = T.MultiplyAdd(p, t, T.Broadcast(0.1905768483f));
        p = T.MultiplyAdd(p, t, T.Broadcast(1.128379146f));
        T q = T.MultiplyAdd(t, T.Broadcast(3.804531753e-5f), T.Broadcast(1.163630975e-3f));
        q = T.MultiplyAdd(q, t, T.Broadcast(1.498157173e-2f));
        q = T.MultiplyAdd(q, t, T.Broadcast(0.1141754279f));
        q = T.MultiplyAdd(q, t, T.Broadcast(0.5022270699f));
        q = T.MultiplyAdd(q, t, T.Broadcast(1f));
        return x * p / q;
    }

    /// <summary>GELU: x·Φ(x), Φ the normal distribution function.</summary>
    /// <remarks>Error at most 1.3 ulp for x ≥ 0 (6·10⁻⁷ at 8); 10⁻⁵ relative down
    /// to −13, 0 below. −∞ gives NaN, being ∞·0; NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Gelu<T>(T x) where T : struct, ISimdFloat<T> =>
        x * NormalCdf(x, out _, out _);

    /// <summary>Derivative Φ(x) + x·φ(x) of <see cref="Gelu"/>, and its value.</summary>
    /// <remarks>Absolute error at most 3·10⁻⁷. φ is the normal density.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        T cdf = NormalCdf(x, out T magnitude, out T bell);
        value = x * cdf;
        // The limited magnitude keeps ∞·0 away.
        return T.MultiplyAdd(
            T.CopySign(magnitude, x), bell * T.Broadcast(InverseRootTwoPi), cdf);
    }

    /// <summary>GPT-2's GELU: ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³).</summary>
    /// <remarks>Absolute error at most 6·10⁻⁷ for |x| ≤ 8, relative 2⁻²² above, 0 below −10. −∞
    /// gives NaN, being ∞·0; NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanh<T>(T x) where T : struct, ISimdFloat<T> => x * GeluGate(x, out _);

    /// <summary>Derivative σ + x·σ(1 − σ)·2u′ of <see cref="GeluTanh"/>, and its value.</summary>
    /// <remarks>Absolute error at most 10⁻⁶. 1 − σ is e⁻²ᵘσ, which does not cancel.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanhDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        T gate = GeluGate(x, out T exponential);
        value = x * gate;
        // Beyond 10 the gate is 0 or 1 to the last bit; the limit keeps ∞·0 away.
        T near = Clamp(x, 10f);
        T slope = T.MultiplyAdd(
            near * near, T.Broadcast(6 * Root2OverPi * GeluCubic),
            T.Broadcast(2 * Root2OverPi));
        return T.MultiplyAdd(near * slope, exponential * gate * gate, gate);
    }

    /// <summary>SiLU: x·σ(x).</summary>
    /// <remarks>Nothing cancels: at most 6 ulp; 0 below −87.3. −∞ gives NaN, being ∞·0; NaN stays
    /// NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Silu<T>(T x) where T : struct, ISimdFloat<T> => x * Sigmoid(x, out _);

    /// <summary>Derivative σ + x·σ(1 − σ) of <see cref="Silu"/>, and its value.</summary>
    /// <remarks>Absolute error at most 4·10⁻⁷. σ(1 − σ) is e/(1 + e)², e = e^(−|x|).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T SiluDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        T gate = Sigmoid(x, out T bell);
        value = x * gate;
        // Beyond 100 the bell is 0; the limit keeps ∞·0 away.
        return T.MultiplyAdd(Clamp(x, 100f), bell, gate);
    }

    /// <summary>σ(x): with e = e^(−|x|), 1/(1 + e) or e/(1 + e).</summary>
    /// <param name="x">Argument.</param>
    /// <param name="bell">σ(x)·(1 − σ(x)).</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sigmoid<T>(T x, out T bell) where T : struct, ISimdFloat<T>
    {
        T e = ExpNonPositive(T.Zero - T.Abs(x));
        T near = T.Broadcast(1f) / (T.Broadcast(1f) + e);
        T far = e * near;
        bell = far * near;
        return T.SelectLess(x, T.Zero, far, near);
    }

    /// <summary>
    /// Φ(x): with a = |x|, Φ(−a) = e^(−a²/2)·P(a)/Q(a), degrees 4 and 5, and Φ(a) = 1 − Φ(−a).
    /// </summary>
    /// <param name="x">Argument.</param>
    /// <param name="magnitude">a, at most 13.3, where Φ(−a) is 0.</param>
    /// <param name="bell">e^(−a²/2).</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T NormalCdf<T>(T x, out T magnitude, out T bell)
        where T : struct, ISimdFloat<T>
    {
        T a = T.Min(T.Broadcast(13.3f), T.Abs(x));
        magnitude = a;
        bell = ExpNonPositive(a * a * T.Broadcast(-0.5f));
        T p = T.MultiplyAdd(a, T.Broadcast(4.012042555e-3f), T.Broadcast(3.992891052e-2f));
        p = T.MultiplyAdd(p, a, T.Broadcast(0.1811421369f));
        p = T.MultiplyAdd(p, a, T.Broadcast(0.4354628365f));
        p = T.MultiplyAdd(p, a, T.Broadcast(0.5000000025f));
        T q = T.MultiplyAdd(a, T.Broadcast(1.005655392e-2f), T.Broadcast(0.1000944019f));
        q = T.MultiplyAdd(q, a, T.Broadcast(0.4639458728f));
        q = T.MultiplyAdd(q, a, T.Broadcast(1.193798392f));
        q = T.MultiplyAdd(q, a, T.Broadcast(1.668810588f));
        q = T.MultiplyAdd(q, a, T.Broadcast(1f));
        T tail = bell * p / q;
        return T.SelectLess(x, T.Zero, tail, T.Broadcast(1f) - tail);
    }

    /// <summary>σ(2u) = 1/(1 + e⁻²ᵘ), and 0 below −10, where it is less than 2⁻¹²⁶.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T GeluGate<T>(T raw, out T exponential) where T : struct, ISimdFloat<T>
    {
        T x = Clamp(raw, 10f);
        T u2 = x * T.MultiplyAdd(
            x * x, T.Broadcast(-2 * Root2OverPi * GeluCubic), T.Broadcast(-2 * Root2OverPi));
        exponential = Exp(u2);
        return T.SelectLess(
            raw, T.Broadcast(-10f), T.Zero, T.Broadcast(1f) / (T.Broadcast(1f) + exponential));
    }

    /// <summary>x limited to [−limit, limit]; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Clamp<T>(T x, float limit) where T : struct, ISimdFloat<T> =>
        T.Min(T.Broadcast(limit), T.Max(T.Broadcast(-limit), x));
}
