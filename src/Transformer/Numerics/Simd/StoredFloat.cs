using System.Runtime.CompilerServices;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>How numbers lie in memory, as a type, so that kernels read and write each at vector
/// speed.</summary>
internal unsafe interface IStoredFloat
{
    /// <summary>Bytes of a number.</summary>
    static abstract int Size { get; }

    /// <summary>Width numbers from the one at <paramref name="index"/> on.</summary>
    static abstract T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T>;

    /// <summary>Writes Width numbers, rounded to nearest, ties to even.</summary>
    static abstract void Store<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T>;

    /// <summary>As <see cref="Store"/>, past the caches, to an address aligned to what is written.
    /// </summary>
    static abstract void StoreStreaming<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T>;
}

/// <summary>binary32.</summary>
internal readonly unsafe struct StoredFloat32 : IStoredFloat
{
    public static int Size => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.Load((float*)source + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> => T.Store(value, (float*)destination + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> => T.StoreStreaming(value, (float*)destination + index);
}

/// <summary>bfloat16.</summary>
internal readonly unsafe struct StoredBFloat16 : IStoredFloat
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.FromBFloat16(T.LoadWords((ushort*)source + index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> =>
        T.StoreWords(T.ToBFloat16(value), (ushort*)destination + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> =>
        T.StoreWordsStreaming(T.ToBFloat16(value), (ushort*)destination + index);
}

/// <summary>binary16.</summary>
internal readonly unsafe struct StoredFloat16 : IStoredFloat
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.FromFloat16(T.LoadWords((ushort*)source + index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> =>
        T.StoreWords(T.ToFloat16(value), (ushort*)destination + index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreStreaming<T>(T value, byte* destination, nint index)
        where T : struct, ISimdFloat<T> =>
        T.StoreWordsStreaming(T.ToFloat16(value), (ushort*)destination + index);
}

/// <summary>Work that is compiled for two storage types.</summary>
internal interface IStoredAction
{
    /// <summary>Does the work.</summary>
    void Run<TFirst, TSecond>()
        where TFirst : struct, IStoredFloat where TSecond : struct, IStoredFloat;
}

/// <summary>Chooses the types that buffers have.</summary>
internal static class StoredDispatch
{
    /// <summary>Runs the action with them.</summary>
    public static void Run<TAction>(DType first, DType second, in TAction action)
        where TAction : struct, IStoredAction
    {
        switch (first)
        {
            case DType.Float16: Run<TAction, StoredFloat16>(second, in action); break;
            case DType.BFloat16: Run<TAction, StoredBFloat16>(second, in action); break;
            default: Run<TAction, StoredFloat32>(second, in action); break;
        }
    }

    private static void Run<TAction, TFirst>(DType second, in TAction action)
        where TAction : struct, IStoredAction where TFirst : struct, IStoredFloat
    {
        switch (second)
        {
            case DType.Float16: action.Run<TFirst, StoredFloat16>(); break;
            case DType.BFloat16: action.Run<TFirst, StoredBFloat16>(); break;
            default: action.Run<TFirst, StoredFloat32>(); break;
        }
    }
}

/// <summary>Less than a vector of stored numbers.</summary>
internal static unsafe class StoredTail
{
    private const int WidestVectorBytes = 64;

    /// <summary>The first <paramref name="count"/> numbers, the other lanes 0; reads no more.
    /// </summary>
    public static T Load<T, TStored>(byte* source, nint index, int count)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* whole = stackalloc byte[WidestVectorBytes];
        new ReadOnlySpan<byte>(source + (index * TStored.Size), count * TStored.Size)
            .CopyTo(new(whole, WidestVectorBytes));
        return TStored.Load<T>(whole, 0);
    }

    /// <summary>Writes the first <paramref name="count"/> numbers and no more.</summary>
    public static void Store<T, TStored>(T value, byte* destination, nint index, int count)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        byte* whole = stackalloc byte[WidestVectorBytes];
        TStored.Store(value, whole, 0);
        new ReadOnlySpan<byte>(whole, count * TStored.Size)
            .CopyTo(new(destination + (index * TStored.Size), count * TStored.Size));
    }
}
