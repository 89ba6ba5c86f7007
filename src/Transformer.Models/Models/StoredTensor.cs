using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Transformer.Models.Graph;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>One tensor of a model's weights file.</summary>
/// <param name="Name">As the file spells it.</param>
/// <param name="Shape">As the file has it.</param>
/// <param name="Read">Takes its numbers from the model.</param>
/// <param name="Write">Gives the model its numbers.</param>
internal sealed record StoredTensor(
    string Name, TensorShape Shape, Func<float[]> Read, Action<float[]> Write)
{
    /// <summary>A parameter under its own name.</summary>
    public static StoredTensor Of(Parameter parameter) => new(
        parameter.Name, parameter.Shape, () => Values(parameter),
        values => parameter.CopyFrom(values));

    /// <summary>The numbers of a parameter.</summary>
    public static float[] Values(Parameter parameter)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.CopyTo(values);
        return values;
    }

    /// <summary>A matrix [rows, columns] by rows as [columns, rows]; itself where that is the same.
    /// </summary>
    public static float[] Transpose(float[] matrix, int rows, int columns)
    {
        if (rows == 1 || columns == 1) return matrix;
        float[] result = new float[matrix.Length];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
                result[(column * rows) + row] = matrix[(row * columns) + column];
        }

        return result;
    }

    /// <summary>Its numbers as bytes of a real type, rounded to nearest even.</summary>
    public ReadOnlySpan<byte> Bytes(DType type)
    {
        float[] values = Read();
        switch (type)
        {
            case DType.Float16:
                Half[] halves = new Half[values.Length];
                TensorPrimitives.ConvertToHalf(values, halves);
                return MemoryMarshal.AsBytes<Half>(halves);
            case DType.BFloat16:
                ushort[] upper = new ushort[values.Length];
                for (int i = 0; i < upper.Length; i++) upper[i] = ToBFloat16(values[i]);
                return MemoryMarshal.AsBytes<ushort>(upper);
            default:
                return MemoryMarshal.AsBytes<float>(values);
        }
    }

    private static ushort ToBFloat16(float value)
    {
        const uint Quiet = 0x40;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | Quiet);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
