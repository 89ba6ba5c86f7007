using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>What happens to a finished element of the product on its way to memory.</summary>
/// <remarks>Implementations must be <c>AggressiveInlining</c> and free of state that changes.
/// </remarks>
internal interface IEpilogue
{
    /// <summary>Turns the sums at (row, column …) into what is stored.</summary>
    /// <param name="value">Sums of adjacent columns.</param>
    /// <param name="row">Row of the product.</param>
    /// <param name="column">Column of the first lane.</param>
    /// <param name="count">Lanes that exist; may exceed the width.</param>
    T Apply<T>(T value, nint row, nint column, nint count) where T : struct, ISimdFloat<T>;
}

/// <summary>Stores the sums as they are.</summary>
internal readonly struct NoEpilogue : IEpilogue
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Apply<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T> => value;
}

/// <summary>f(sum + bias), the sum with bias being kept in a second matrix where given.</summary>
/// <param name="bias">[columns]; may be null.</param>
/// <param name="preActivation">[rows, stride]; may be null.</param>
/// <param name="stride">Floats from one row of the second matrix to the next.</param>
internal readonly unsafe struct BiasActivationEpilogue<TActivation>(
    float* bias, float* preActivation, nint stride) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Apply<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T>
    {
        if (bias != null) value += SimdTail.Load<T>(bias + column, count);
        if (preActivation != null)
        {
            SimdTail.Store(value, preActivation + row * stride + column, count);
        }

        return TActivation.Apply(value);
    }
}

/// <summary>
/// The gradient that passes an activation, sum·f′(pre), and besides the activation's value f(pre),
/// which the gradient of the following weights needs.
/// </summary>
/// <param name="preActivation">[rows, stride].</param>
/// <param name="activated">[rows, stride], written.</param>
/// <param name="stride">Floats from one row to the next of both.</param>
internal readonly unsafe struct ActivationGradientEpilogue<TActivation>(
    float* preActivation, float* activated, nint stride) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Apply<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T>
    {
        nint at = row * stride + column;
        T x = SimdTail.Load<T>(preActivation + at, count);
        T derivative = TActivation.Derivative(x, out T result);
        SimdTail.Store(result, activated + at, count);
        return value * derivative;
    }
}

/// <summary>Loads and stores that end with a row.</summary>
internal static unsafe class SimdTail
{
    /// <summary>Loads up to a vector; lanes from <paramref name="count"/> on are 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(float* source, nint count) where T : struct, ISimdFloat<T> =>
        count >= T.Width ? T.Load(source) : T.LoadPartial(source, (int)count);

    /// <summary>Stores up to a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, float* destination, nint count)
        where T : struct, ISimdFloat<T>
    {
        if (count >= T.Width) T.Store(value, destination);
        else T.StorePartial(value, destination, (int)count);
    }
}
