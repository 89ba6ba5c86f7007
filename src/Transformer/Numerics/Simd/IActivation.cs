using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>An element-wise function as a type, so that kernels are compiled for each.</summary>
internal interface IActivation
{
    /// <summary>f(x).</summary>
    static abstract T Apply<T>(T x) where T : struct, ISimdFloat<T>;

    /// <summary>f′(x), and f(x), which shares its costly part.</summary>
    static abstract T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T>;
}

/// <summary>f(x) = x.</summary>
internal readonly struct IdentityActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        value = x;
        return T.Broadcast(1f);
    }
}

/// <summary>f(x) = max(x, 0), f′(0) = 0; NaN stays NaN in f.</summary>
internal readonly struct ReluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => T.Max(T.Zero, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T>
    {
        value = T.Max(T.Zero, x);
        return T.SelectLess(T.Zero, x, T.Broadcast(1f), T.Zero);
    }
}

/// <summary>GELU with the normal distribution function.</summary>
internal readonly struct GeluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Gelu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T> =>
        SimdMath.GeluDerivative(x, out value);
}

/// <summary>GELU with GPT-2's tanh.</summary>
internal readonly struct GeluTanhActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.GeluTanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T> =>
        SimdMath.GeluTanhDerivative(x, out value);
}

/// <summary>f(x) = tanh x.</summary>
internal readonly struct TanhActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Tanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T> =>
        SimdMath.TanhDerivative(x, out value);
}

/// <summary>f(x) = x·σ(x).</summary>
internal readonly struct SiluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : struct, ISimdFloat<T> => SimdMath.Silu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x, out T value) where T : struct, ISimdFloat<T> =>
        SimdMath.SiluDerivative(x, out value);
}
