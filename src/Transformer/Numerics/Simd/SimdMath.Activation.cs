using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <remarks>
/// The rational functions here have the least largest relative error on their interval, found by
/// iteratively re-weighted least squares in 50 digits; they are odd, so small arguments keep their
/// relative accuracy.
/// </remarks>
internal static partial class SimdMath
{
    private const float InverseRoot2 = 0.707106781f;
    private const float InverseRootTwoPi = 0.398942280f;
    private const float Root2OverPi = 0.797884561f;
    private const float GeluCubic = 0.044715f;

    /// <summary>
    /// tanh x = x·P(x²)/Q(x²), degrees 4 and 4, |x| being limited to 9.02, where tanh is 1.
    /// </summary>
    /// <remarks>Largest error 3 ulp; ±∞ give ±1; NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : struct, ISimdFloat<T>
    {
        x = Clamp(x, 9.02f);
        T t = x * x;
        T p = T.MultiplyAdd(t, T.Broadcast(1.331824778e-8f), T.Broadcast(2.058291892e-5f));
        p = T.MultiplyAdd(p, t, T.Broadcast(3.494002631e-3f));
        p = T.MultiplyAdd(p, t, T.Broadcast(0.1337969211f));
        p = T.MultiplyAdd(p, t, T.Broadcast(0.9999999792f));
        T q = T.MultiplyAdd(t, T.Broadcast(7.76169042e-7f), T.Broadcast(3.283038859e-4f));
        q = T.MultiplyAdd(q, t, T.Broadcast(2.587095482e-2f));
        q = T.MultiplyAdd(q, t, T.Broadcast(0.4671300742f));
        q = T.MultiplyAdd(q, t, T.Broadcast(1f));
        return x * p / q;
    }

    /// <summary>
    /// erf x = x·P(x²)/Q(x²), degrees 5 and 5, |x| being limited to 3.925, where erf is 1.
    /// </summary>
    /// <remarks>Largest error 4 ulp; ±∞ give ±1; NaN stays NaN.</remarks>
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

    /// <summary>GELU: x·Φ(x), Φ(x) = ½(1 + erf(x/√2)).</summary>
    /// <remarks>Absolute error at most 6·10⁻⁷ for |x| ≤ 8 (measured 3·10⁻⁷), relative 2⁻²⁴ above;
    /// at most 6·10⁻⁷·|x|/8 below −8, where the value is 0 to 10⁻¹⁴. NaN stays NaN.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Gelu<T>(T x) where T : struct, ISimdFloat<T> => x * NormalCdf(x);

    /// <summary>Derivative Φ(x) + x·φ(x) of <see cref="Gelu"/>, and its value.</summary>
    /// <remarks>Absolute error at most 5·10⁻⁷. φ is the normal density.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        T cdf = NormalCdf(x);
        value = x * cdf;
        // Beyond 13 the density is 0; the limit keeps ∞·0 away.
        T near = Clamp(x, 14f);
        T density = ExpNonPositive(near * near * T.Broadcast(-0.5f))
            * T.Broadcast(InverseRootTwoPi);
        return T.MultiplyAdd(near, density, cdf);
    }

    /// <summary>GPT-2's GELU: ½x(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715x³).</summary>
    /// <remarks>Absolute error at most 6·10⁻⁷ for |x| ≤ 8, relative 2⁻²² above. NaN stays NaN.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanh<T>(T x) where T : struct, ISimdFloat<T> => x * GeluGate(x);

    /// <summary>Derivative σ + x·σ(1 − σ)·2u′ of <see cref="GeluTanh"/>, and its value.</summary>
    /// <remarks>Absolute error at most 1.5·10⁻⁶.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanhDerivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        T gate = GeluGate(x);
        value = x * gate;
        // Beyond 10 the gate is 0 or 1 to the last bit; the limit keeps ∞·0 away.
        T near = Clamp(x, 10f);
        T slope = T.MultiplyAdd(
            near * near, T.Broadcast(6 * Root2OverPi * GeluCubic),
            T.Broadcast(2 * Root2OverPi));
        return T.MultiplyAdd(near * slope, gate * (T.Broadcast(1f) - gate), gate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T NormalCdf<T>(T x) where T : struct, ISimdFloat<T>
    {
        T half = T.Broadcast(0.5f);
        return T.MultiplyAdd(Erf(x * T.Broadcast(InverseRoot2)), half, half);
    }

    /// <summary>σ(2u) = 1/(1 + e⁻²ᵘ), x being limited to ±10, where it is 0 or 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T GeluGate<T>(T x) where T : struct, ISimdFloat<T>
    {
        x = Clamp(x, 10f);
        T u2 = x * T.MultiplyAdd(
            x * x, T.Broadcast(-2 * Root2OverPi * GeluCubic), T.Broadcast(-2 * Root2OverPi));
        return T.Broadcast(1f) / (T.Broadcast(1f) + Exp(u2));
    }

    /// <summary>x limited to [−limit, limit]; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Clamp<T>(T x, float limit) where T : struct, ISimdFloat<T> =>
        T.Min(T.Broadcast(limit), T.Max(T.Broadcast(-limit), x));
}
