using System.Runtime.CompilerServices;

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
