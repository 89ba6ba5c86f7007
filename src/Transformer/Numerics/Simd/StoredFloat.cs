using System.Runtime.CompilerServices;

namespace Transformer.Numerics;

/// <summary>How numbers lie in memory, as a type, so that kernels read each at vector speed.
/// </summary>
internal unsafe interface IStoredFloat
{
    /// <summary>Bytes of a number.</summary>
    static abstract int Size { get; }

    /// <summary>Width numbers from the one at <paramref name="index"/> on.</summary>
    static abstract T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T>;
}

/// <summary>binary32.</summary>
internal readonly unsafe struct StoredFloat32 : IStoredFloat
{
    public static int Size => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.Load((float*)source + index);
}

/// <summary>bfloat16.</summary>
internal readonly unsafe struct StoredBFloat16 : IStoredFloat
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.FromBFloat16(T.LoadWords((ushort*)source + index));
}

/// <summary>binary16.</summary>
internal readonly unsafe struct StoredFloat16 : IStoredFloat
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source, nint index) where T : struct, ISimdFloat<T> =>
        T.FromFloat16(T.LoadWords((ushort*)source + index));
}
