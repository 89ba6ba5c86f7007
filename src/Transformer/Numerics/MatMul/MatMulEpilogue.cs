using System.Runtime.CompilerServices;
using Transformer.Tensors;

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
/// <param name="preActivation">[rows, columns]; may be absent.</param>
internal readonly unsafe struct BiasActivationEpilogue<TActivation>(
    float* bias, StoredMatrix preActivation) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Apply<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T>
    {
        if (bias != null) value += SimdTail.Load<T>(bias + column, count);
        if (preActivation.IsPresent) preActivation.Store(value, row, column, count);
        return TActivation.Apply(value);
    }
}

/// <summary>
/// The gradient that passes an activation, sum·f′(pre), and besides the activation's value f(pre),
/// which the gradient of the following weights needs.
/// </summary>
/// <param name="preActivation">[rows, columns].</param>
/// <param name="activated">[rows, stride], written.</param>
/// <param name="stride">Floats from one row of the latter to the next.</param>
internal readonly unsafe struct ActivationGradientEpilogue<TActivation>(
    StoredMatrix preActivation, float* activated, nint stride) : IEpilogue
    where TActivation : struct, IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Apply<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T>
    {
        T x = preActivation.Load<T>(row, column, count);
        T derivative = TActivation.Derivative(x, out T result);
        SimdTail.Store(result, activated + row * stride + column, count);
        return value * derivative;
    }
}

/// <summary>A matrix that an epilogue reads or writes besides, in its own storage type.</summary>
/// <param name="view">[rows, stride]; absent: none.</param>
/// <param name="stride">Elements from one row to the next.</param>
internal readonly unsafe struct StoredMatrix(BufferView view, nint stride)
{
    /// <summary>Whether there is one.</summary>
    public bool IsPresent => view.IsPresent;

    /// <summary>The matrix from a row on.</summary>
    public StoredMatrix From(nint row) => view.IsAbsent ? this
        : new(view.Slice(row * stride, view.Length - (row * stride)), stride);

    /// <summary>Up to a vector of adjacent columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T Load<T>(nint row, nint column, nint count) where T : struct, ISimdFloat<T>
    {
        nint at = (row * stride) + column;
        if (view.DType == DType.Float32)
            return SimdTail.Load<T>((float*)view.Address + at, count);
        return LoadNarrow<T>(at, (int)Math.Min(count, T.Width));
    }

    /// <summary>Rounds and writes up to a vector of adjacent columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<T>(T value, nint row, nint column, nint count)
        where T : struct, ISimdFloat<T>
    {
        nint at = (row * stride) + column;
        if (view.DType == DType.Float32)
            SimdTail.Store(value, (float*)view.Address + at, count);
        else StoreNarrow(value, at, (int)Math.Min(count, T.Width));
    }

    private T LoadNarrow<T>(nint at, int count) where T : struct, ISimdFloat<T>
    {
        float* wide = stackalloc float[T.Width];
        FloatStorage.Widen(view.DType, (ushort*)view.Address + at, wide, count);
        return SimdTail.Load<T>(wide, count);
    }

    private void StoreNarrow<T>(T value, nint at, int count) where T : struct, ISimdFloat<T>
    {
        float* wide = stackalloc float[T.Width];
        T.Store(value, wide);
        FloatStorage.Narrow(view.DType, wide, (ushort*)view.Address + at, count);
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
