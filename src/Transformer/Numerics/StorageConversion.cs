using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>Runs of 16-bit numbers widened to binary32 and binary32 rounded to 16 bits.</summary>
/// <remarks>Rounding is to nearest, ties to even, as the scalar conversions of
/// <see cref="Half"/> and <see cref="BFloat16"/> round; NaN stays NaN.</remarks>
internal static unsafe class StorageConversion
{
    /// <summary>True for Float32, Float16 and BFloat16.</summary>
    public static bool IsStorage(DType dtype) =>
        dtype is DType.Float32 or DType.Float16 or DType.BFloat16;

    /// <summary>destination[i] = source[i], exactly.</summary>
    public static void Widen(DType dtype, void* source, float* destination, int count)
    {
        Span<float> wide = new(destination, count);
        switch (dtype)
        {
            case DType.Float16:
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, count), wide);
                break;
            case DType.BFloat16:
                Widen((ushort*)source, destination, count);
                break;
            default:
                new ReadOnlySpan<float>(source, count).CopyTo(wide);
                break;
        }
    }

    /// <summary>destination[i] = source[i], rounded once.</summary>
    public static void Narrow(float* source, DType dtype, void* destination, int count)
    {
        ReadOnlySpan<float> wide = new(source, count);
        switch (dtype)
        {
            case DType.Float16:
                TensorPrimitives.ConvertToHalf(wide, new Span<Half>(destination, count));
                break;
            case DType.BFloat16:
                Narrow(source, (ushort*)destination, count);
                break;
            default:
                wide.CopyTo(new Span<float>(destination, count));
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen(ushort* source, float* destination, int count)
    {
        int half = Vector<uint>.Count, i = 0;
        for (; i + (2 * half) <= count; i += 2 * half)
        {
            Vector.Widen(Vector.Load(source + i), out Vector<uint> low, out Vector<uint> high);
            (low << 16).Store((uint*)destination + i);
            (high << 16).Store((uint*)destination + i + half);
        }

        for (; i < count; i++) destination[i] = BFloat16.FromBits(source[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(float* source, ushort* destination, int count)
    {
        int half = Vector<uint>.Count, i = 0;
        for (; i + (2 * half) <= count; i += 2 * half)
        {
            Vector<uint> low = Rounded(Vector.Load((uint*)source + i));
            Vector<uint> high = Rounded(Vector.Load((uint*)source + i + half));
            Vector.Narrow(low, high).Store(destination + i);
        }

        for (; i < count; i++) destination[i] = ((BFloat16)source[i]).Bits;
    }

    /// <summary>The upper half of each word after rounding, in the lower half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> Rounded(Vector<uint> word)
    {
        Vector<uint> top = word >> 16;
        // Half of the last kept digit, less one where that digit is even: ties go to even.
        Vector<uint> rounded = (word + new Vector<uint>(0x7FFF) + (top & Vector<uint>.One)) >> 16;
        Vector<uint> isNaN = Vector.GreaterThan(
            word & new Vector<uint>(0x7FFFFFFF), new Vector<uint>(0x7F800000));
        return Vector.ConditionalSelect(isNaN, top | new Vector<uint>(0x40), rounded);
    }
}
