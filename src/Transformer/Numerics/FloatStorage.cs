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
                TensorPrimitives.ConvertToSingle(
                    new ReadOnlySpan<Half>(source, count), new Span<float>(destination, count));
                break;
            case DType.BFloat16:
                WidenBFloat16((ushort*)source, destination, count);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenBFloat16(ushort* source, float* destination, int count)
    {
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            (Vector128<uint> low, Vector128<uint> high) =
                Vector128.Widen(Vector128.Load(source + i));
            (low << 16).AsSingle().Store(destination + i);
            (high << 16).AsSingle().Store(destination + i + 4);
        }

        for (; i < count; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
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
