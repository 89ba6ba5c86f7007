namespace Transformer.Tensors;

/// <summary>Element type of a tensor as it lies in memory.</summary>
public enum DType
{
    /// <summary>IEEE 754 binary32; the type of all computation outside the reference.</summary>
    Float32,

    /// <summary>IEEE 754 binary16, storage only: kernels widen it and accumulate in binary32.
    /// </summary>
    Float16,

    /// <summary>The upper half of binary32 (bfloat16), storage only.</summary>
    BFloat16,

    /// <summary>IEEE 754 binary64; the type of the reference's accumulators.</summary>
    Float64,

    /// <summary>32-bit signed integer: token ids, labels, lengths.</summary>
    Int32,

    /// <summary>64-bit signed integer: ids and labels as other libraries write them.</summary>
    Int64,

    /// <summary>8-bit unsigned integer.</summary>
    UInt8,

    /// <summary>One byte, 0 or 1: masks.</summary>
    Bool,
}

/// <summary>Facts about <see cref="DType"/> values.</summary>
public static class DTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType dtype) => dtype switch
    {
        DType.Float64 or DType.Int64 => 8,
        DType.Float32 or DType.Int32 => 4,
        DType.Float16 or DType.BFloat16 => 2,
        DType.UInt8 or DType.Bool => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown element type."),
    };

    /// <summary>True for the types that hold real numbers.</summary>
    public static bool IsFloatingPoint(this DType dtype) =>
        dtype is DType.Float32 or DType.Float16 or DType.BFloat16 or DType.Float64;

    /// <summary>True for the types that the vector kernels compute on as binary32.</summary>
    internal static bool WidensToSingle(this DType dtype) =>
        dtype is DType.Float32 or DType.Float16 or DType.BFloat16;

    /// <summary>The <see cref="DType"/> that stores <typeparamref name="T"/>.</summary>
    /// <exception cref="NotSupportedException"><typeparamref name="T"/> is no element type.
    /// </exception>
    public static DType Of<T>() where T : unmanaged
    {
        if (typeof(T) == typeof(float)) return DType.Float32;
        if (typeof(T) == typeof(Half)) return DType.Float16;
        if (typeof(T) == typeof(BFloat16)) return DType.BFloat16;
        if (typeof(T) == typeof(double)) return DType.Float64;
        if (typeof(T) == typeof(int)) return DType.Int32;
        if (typeof(T) == typeof(long)) return DType.Int64;
        if (typeof(T) == typeof(byte)) return DType.UInt8;
        if (typeof(T) == typeof(bool)) return DType.Bool;
        throw new NotSupportedException(
            $"'{typeof(T)}' is no tensor element type. Use float, Half, BFloat16, double, int, " +
            "long, byte or bool.");
    }
}
