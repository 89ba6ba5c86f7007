using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>Runs of floats to and from the types that tensors are stored in.</summary>
internal static unsafe class FloatStorage
{
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
    public static void Narrow(DType type, float* source, void* destination, int count)
    {
        switch (type)
        {
            case DType.Float16:
                TensorPrimitives.ConvertToHalf(
                    new ReadOnlySpan<float>(source, count), new Span<Half>(destination, count));
                break;
            case DType.BFloat16:
                NarrowBFloat16(source, (ushort*)destination, count);
                break;
            default:
                new ReadOnlySpan<float>(source, count).CopyTo(new(destination, count));
                break;
        }
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
        for (; i + T.Width <= count; i += T.Width)
        {
            T.Store(TStored.Load<T>(source, i), destination + i);
        }

        if (i == count) return;
        ushort* tail = stackalloc ushort[Simd512.Width];
        new ReadOnlySpan<ushort>((ushort*)source + i, count - i).CopyTo(new(tail, count - i));
        T.StorePartial(TStored.Load<T>((byte*)tail, 0), destination + i, count - i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowBFloat16(float* source, ushort* destination, int count)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector128<uint> low = Round(Vector128.Load(source + i));
            Vector128<uint> high = Round(Vector128.Load(source + i + 4));
            Vector128.Narrow(low, high).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = (ushort)(Round(Vector128.CreateScalar(source[i])).ToScalar());
        }
    }

    /// <summary>The upper 16 bits after rounding; NaN keeps its payload's upper bits and is made
    /// quiet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Round(Vector128<float> value)
    {
        Vector128<uint> word = value.AsUInt32();
        Vector128<uint> odd = (word >> 16) & Vector128.Create(1u);
        Vector128<uint> rounded = (word + Vector128.Create(0x7FFFu) + odd) >> 16;
        Vector128<uint> quiet = (word >> 16) | Vector128.Create(0x40u);
        Vector128<uint> number = Vector128.Equals(value, value).AsUInt32();
        return Vector128.ConditionalSelect(number, rounded, quiet);
    }
}
