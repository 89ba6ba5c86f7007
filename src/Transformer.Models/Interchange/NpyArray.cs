using System.Runtime.InteropServices;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>An array read from a .npy file, row-major whatever the file's order was.</summary>
public sealed class NpyArray
{
    internal NpyArray(string path, DType dtype, long[] shape, byte[] data)
    {
        Path = path;
        DType = dtype;
        Shape = shape;
        Data = data;
    }

    /// <summary>The path it was read from.</summary>
    public string Path { get; }

    /// <summary>The element type.</summary>
    public DType DType { get; }

    /// <summary>Axes, slowest first; empty for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>The elements, little-endian, row-major.</summary>
    public byte[] Data { get; }

    /// <summary>The number of elements.</summary>
    public int Length => Data.Length / DType.Size();

    /// <summary>The real elements, widened or rounded to binary32.</summary>
    /// <exception cref="InvalidDataException">The file holds no real numbers.</exception>
    public float[] ToSingles() => TensorBytes.ToSingles(DType, Data, $"'{Path}'");

    /// <summary>The integers; 64-bit ones must fit 32 bits.</summary>
    /// <exception cref="InvalidDataException">
    /// The file holds no integers, or one that does not fit.
    /// </exception>
    public int[] ToInt32()
    {
        int[] result = new int[Length];
        switch (DType)
        {
            case DType.Int32:
                MemoryMarshal.Cast<byte, int>(Data).CopyTo(result);
                break;
            case DType.Int64:
                ReadOnlySpan<long> wide = MemoryMarshal.Cast<byte, long>(Data);
                for (int i = 0; i < result.Length; i++)
                {
                    if (wide[i] != (int)wide[i])
                        throw new InvalidDataException($"'{Path}': element {i} is {wide[i]}; " +
                            $"expected at most {int.MaxValue} in size.");
                    result[i] = (int)wide[i];
                }
                break;
            case DType.UInt8:
                for (int i = 0; i < result.Length; i++) result[i] = Data[i];
                break;
            default:
                TensorBytes.ThrowWrongType($"'{Path}'", DType,
                    "an integer type (int32, int64, uint8)");
                break;
        }
        return result;
    }

    /// <summary>The truth values; any byte but 0 is true.</summary>
    /// <exception cref="InvalidDataException">The file holds neither bool nor uint8.</exception>
    public bool[] ToBooleans()
    {
        if (DType is not (DType.Bool or DType.UInt8))
            TensorBytes.ThrowWrongType($"'{Path}'", DType, "bool or uint8");
        return Array.ConvertAll(Data, b => b != 0);
    }
}
