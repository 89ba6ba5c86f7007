using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>What the file formats share: sizes that cannot overflow, and element conversion.
/// </summary>
internal static class TensorBytes
{
    /// <summary>Largest content of one managed array or span of bytes.</summary>
    public static long MaxArrayLength => Array.MaxLength;

    /// <summary>Elements and bytes of a shape; false where either passes 2⁶³ − 1.</summary>
    public static bool TryMeasure(
        ReadOnlySpan<long> shape, int elementSize, out long elements, out long bytes)
    {
        elements = 1;
        bytes = 0;
        foreach (long axis in shape)
        {
            Int128 product = (Int128)elements * axis;
            if (axis < 0 || product > long.MaxValue) return false;
            elements = (long)product;
        }
        Int128 total = (Int128)elements * elementSize;
        if (total > long.MaxValue) return false;
        bytes = (long)total;
        return true;
    }

    /// <summary>The shape as it is written in messages: [2, 3], long ones cut short.</summary>
    public static string Format(ReadOnlySpan<long> shape) =>
        shape.Length <= 16
            ? $"[{string.Join(", ", shape.ToArray())}]"
            : $"[{string.Join(", ", shape[..16].ToArray())}, … {shape.Length} axes]";

    /// <summary>Opens a file for reading, with one clear line where that is not possible.</summary>
    public static FileStream OpenRead(string path, string kind)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new IOException($"'{path}' is a folder; expected a {kind} file.");
        if (!File.Exists(path))
            throw new FileNotFoundException($"'{path}' does not exist; expected a {kind} file.");
        return new FileStream(path, FileMode.Open, FileAccess.Read,
            FileShare.Read | FileShare.Delete, bufferSize: 1);
    }

    /// <summary>
    /// Widens or rounds real elements to binary32; <paramref name="what"/> is the message's subject
    /// where the type holds no real numbers.
    /// </summary>
    public static float[] ToSingles(DType dtype, ReadOnlySpan<byte> data, string what)
    {
        float[] result = new float[data.Length / dtype.Size()];
        switch (dtype)
        {
            case DType.Float32:
                MemoryMarshal.Cast<byte, float>(data).CopyTo(result);
                break;
            case DType.Float64:
                TensorPrimitives.ConvertTruncating(
                    MemoryMarshal.Cast<byte, double>(data), result.AsSpan());
                break;
            case DType.Float16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(data), result);
                break;
            case DType.BFloat16:
                ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(data);
                for (int i = 0; i < result.Length; i++)
                    result[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
                break;
            default:
                ThrowWrongType(what, dtype, "a real type (float32, float16, bfloat16, float64)");
                break;
        }
        return result;
    }

    [DoesNotReturn]
    public static void ThrowWrongType(string what, DType actual, string expected) =>
        throw new InvalidDataException($"{what} holds {actual}; expected {expected}.");
}
