using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>Runs of floats to and from the types that tensors are stored in.</summary>
internal static unsafe class FloatStorage
{
    // What the tail of a run is padded to: the widest vector.
    private const int WidestVector = 16;
    private const int LineBytes = 64;

    /// <summary>Copies to floats, exactly.</summary>
    public static void Widen(DType type, void* source, float* destination, int count)
    {
        switch (type)
        {
            case DType.Float16:
                Widen<StoredFloat16>((byte*)source, destination, count);
                break;
            case DType.BFloat16:
                Widen<StoredBFloat16>((byte*)source, destination, count);
                break;
            default:
                new ReadOnlySpan<float>(source, count).CopyTo(new(destination, count));
                break;
        }
    }

    /// <summary>Copies from floats, rounding to nearest, ties to even.</summary>
    /// <param name="type">Of the destination.</param>
    /// <param name="source">[count].</param>
    /// <param name="destination">[count].</param>
    /// <param name="count">Numbers.</param>
    /// <param name="streaming">Past the caches where the destination begins a cache line; a
    /// <see cref="SimdStream.Fence"/> must follow.</param>
    public static void Narrow(
        DType type, float* source, void* destination, int count, bool streaming = false)
    {
        streaming &= (nint)destination % LineBytes == 0;
        switch (type)
        {
            case DType.Float16:
                Narrow<StoredFloat16>(source, (byte*)destination, count, streaming);
                break;
            case DType.BFloat16:
                Narrow<StoredBFloat16>(source, (byte*)destination, count, streaming);
                break;
            default:
                new ReadOnlySpan<float>(source, count).CopyTo(new(destination, count));
                break;
        }
    }

    /// <summary>The numbers as they lie where they are binary32, else a copy of them; null where
    /// they are absent.</summary>
    /// <param name="view">Read.</param>
    /// <param name="copy">As many floats.</param>
    public static float* Single(BufferView view, float* copy)
    {
        if (view.IsAbsent || view.DType == DType.Float32) return (float*)view.Address;
        Widen(view.DType, (void*)view.Address, copy, checked((int)view.Length));
        return copy;
    }

    /// <summary>Floats that <see cref="Single"/> needs for a copy.</summary>
    public static long CopyFloats(BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32 ? 0 : (view.Length + 15) / 16 * 16;

    /// <summary>One number.</summary>
    public static float Get(BufferView view, long index) => view.DType switch
    {
        DType.Float16 => (float)view.Pointer<Half>()[index],
        DType.BFloat16 => view.Pointer<BFloat16>()[index],
        _ => view.Pointer<float>()[index],
    };

    /// <summary>Sets one number, rounding to nearest, ties to even.</summary>
    public static void Set(BufferView view, long index, float value)
    {
        if (view.DType == DType.Float16) view.Pointer<Half>()[index] = (Half)value;
        else if (view.DType == DType.BFloat16) view.Pointer<BFloat16>()[index] = (BFloat16)value;
        else view.Pointer<float>()[index] = value;
    }

    private static void Widen<TStored>(byte* source, float* destination, int count)
        where TStored : struct, IStoredFloat
    {
        if (Vector512.IsHardwareAccelerated) Widen<Simd512, TStored>(source, destination, count);
        else if (Vector256.IsHardwareAccelerated)
        {
            Widen<Simd256, TStored>(source, destination, count);
        }
        else
        {
            Widen<Simd128, TStored>(source, destination, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen<T, TStored>(byte* source, float* destination, int count)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        int i = 0;
        for (; i + (2 * T.Width) <= count; i += 2 * T.Width)
        {
            T low = TStored.Load<T>(source, i), high = TStored.Load<T>(source, i + T.Width);
            T.Store(low, destination + i);
            T.Store(high, destination + i + T.Width);
        }

        for (; i + T.Width <= count; i += T.Width)
        {
            T.Store(TStored.Load<T>(source, i), destination + i);
        }

        if (i == count) return;
        ushort* tail = stackalloc ushort[WidestVector];
        new ReadOnlySpan<ushort>((ushort*)source + i, count - i).CopyTo(new(tail, count - i));
        T.StorePartial(TStored.Load<T>((byte*)tail, 0), destination + i, count - i);
    }

    private static void Narrow<TStored>(
        float* source, byte* destination, int count, bool streaming)
        where TStored : struct, IStoredFloat
    {
        if (Vector512.IsHardwareAccelerated)
            Narrow<Simd512, TStored>(source, destination, count, streaming);
        else if (Vector256.IsHardwareAccelerated)
            Narrow<Simd256, TStored>(source, destination, count, streaming);
        else
            Narrow<Simd128, TStored>(source, destination, count, streaming);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow<T, TStored>(
        float* source, byte* destination, int count, bool streaming)
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        int i = 0;
        for (; streaming && i + (2 * T.Width) <= count; i += 2 * T.Width)
        {
            TStored.StoreStreaming(T.Load(source + i), destination, i);
            TStored.StoreStreaming(T.Load(source + i + T.Width), destination, i + T.Width);
        }

        for (; i + T.Width <= count; i += T.Width)
        {
            TStored.Store(T.Load(source + i), destination, i);
        }

        if (i == count) return;
        ushort* tail = stackalloc ushort[WidestVector];
        TStored.Store(T.LoadPartial(source + i, count - i), (byte*)tail, 0);
        new ReadOnlySpan<ushort>(tail, count - i).CopyTo(new((ushort*)destination + i, count - i));
    }
}
