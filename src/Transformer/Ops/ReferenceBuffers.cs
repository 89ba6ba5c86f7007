using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Buffers of any floating-point type as double: widened exactly, rounded once on writing.
/// </summary>
internal static unsafe class ReferenceBuffers
{
    /// <summary>Every element; an absent buffer gives an empty array.</summary>
    public static double[] Read(BufferView view)
    {
        double[] values = Make(view.IsAbsent ? 0 : view.Length);
        for (int i = 0; i < values.Length; i++) values[i] = Get(view, i);
        return values;
    }

    /// <summary>So many zeros.</summary>
    /// <exception cref="NotSupportedException">More than an array holds.</exception>
    public static double[] Make(long count) => count <= Array.MaxLength ? new double[count]
        : throw new NotSupportedException("The reference copies tensors to arrays of at most " +
            $"{Array.MaxLength} elements; {count} are needed. Use another backend or smaller " +
            "tensors.");

    /// <summary>Overwrites every element; does nothing for an absent buffer.</summary>
    public static void Write(BufferView view, double[] values)
    {
        if (view.IsAbsent) return;
        for (int i = 0; i < values.Length; i++) Set(view, i, values[i]);
    }

    /// <summary>Adds to every element, rounding once; does nothing for an absent buffer.</summary>
    public static void Add(BufferView view, double[] values)
    {
        if (view.IsAbsent) return;
        for (int i = 0; i < values.Length; i++) Set(view, i, Get(view, i) + values[i]);
    }

    /// <summary>One element, widened.</summary>
    public static double Get(BufferView view, long index) => view.DType switch
    {
        DType.Float32 => view.Pointer<float>()[index],
        DType.Float64 => view.Pointer<double>()[index],
        DType.Float16 => (double)view.Pointer<Half>()[index],
        DType.BFloat16 => view.Pointer<BFloat16>()[index],
        _ => throw NotFloat(view.DType),
    };

    /// <summary>Sets one element, rounded to nearest, ties to even.</summary>
    public static void Set(BufferView view, long index, double value)
    {
        switch (view.DType)
        {
            case DType.Float32: view.Pointer<float>()[index] = (float)value; break;
            case DType.Float64: view.Pointer<double>()[index] = value; break;
            case DType.Float16: view.Pointer<Half>()[index] = (Half)value; break;
            case DType.BFloat16: view.Pointer<BFloat16>()[index] = (BFloat16)value; break;
            default: throw NotFloat(view.DType);
        }
    }

    // Calls are validated, so that this names a check missing from a call.
    private static InvalidOperationException NotFloat(DType dtype) =>
        new($"The reference was given a {dtype} buffer where it expects real numbers.");
}
