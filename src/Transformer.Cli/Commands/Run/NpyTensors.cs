using Transformer.Backends;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>
/// Moves NumPy files into a backend's memory and results back into files. 16-bit files are widened
/// exactly on reading and rounded once on writing; kernels compute in Float32.
/// </summary>
/// <param name="command">Name of the command, for messages.</param>
/// <param name="backend">Owns the tensors' memory.</param>
/// <param name="bfloat16">Whether '&lt;u2' files hold bfloat16 bit patterns.</param>
internal sealed class NpyTensors(string command, Backend backend, bool bfloat16) : IDisposable
{
    private readonly List<Tensor> owned = [];
    private readonly Dictionary<Tensor, DType> fileTypes = [];

    /// <summary>Element type of the first floating-point file: results are stored as it.</summary>
    public DType StorageType { get; private set; } = DType.Float32;

    private bool typeKnown;

    /// <summary>Reads floats; null where no file is named.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public Tensor? Floats(string? path, string option)
    {
        if (path is null) return null;
        NpyArray array = NpyFile.Read(path, bfloat16);
        if (array.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
        {
            throw new InvalidDataException($"{command}: {option} '{path}' holds {array.DType}; " +
                "expected Float32 or Float16 (or '<u2' with --bf16). Convert it with astype.");
        }

        if (!typeKnown) StorageType = array.DType;
        typeKnown = true;
        RequireAxes(array, option);
        Tensor tensor = Copy<float>(array.ToSingles(), array.Shape);
        fileTypes.Add(tensor, array.DType);
        return tensor;
    }

    /// <summary>Element type of the file that a tensor of floats was read from.</summary>
    public DType TypeOf(Tensor tensor) => fileTypes[tensor];

    /// <summary>Reads floats of one shape; null where no file is named.</summary>
    /// <param name="path">The file, or null.</param>
    /// <param name="option">The option that names it.</param>
    /// <param name="expected">The shape that it must have.</param>
    /// <param name="reason">What the shape follows from, such as "for --x [2, 3]".</param>
    /// <exception cref="ArgumentException">The shape is another.</exception>
    public Tensor? Floats(string? path, string option, TensorShape expected, string reason)
    {
        Tensor? tensor = Floats(path, option);
        if (tensor is not null) RequireShape(tensor, option, expected, reason);
        return tensor;
    }

    /// <summary>Reads floats that must be there.</summary>
    public Tensor RequiredFloats(string path, string option) => Floats(path, option)!;

    /// <summary>Reads whole numbers, 32 or 64 bits wide; null where no file is named.</summary>
    public Tensor? Integers(string? path, string option)
    {
        if (path is null) return null;
        NpyArray array = NpyFile.Read(path);
        if (array.DType is not (DType.Int32 or DType.Int64))
        {
            throw new InvalidDataException($"{command}: {option} '{path}' holds {array.DType}; " +
                "expected Int32 or Int64. Convert it with astype.");
        }

        RequireAxes(array, option);
        return Copy<int>(array.ToInt32(), array.Shape);
    }

    /// <summary>Reads a boolean mask, true = may attend; null where no file is named.</summary>
    public Tensor? Booleans(string? path, string option)
    {
        if (path is null) return null;
        NpyArray array = NpyFile.Read(path);
        if (array.DType is not (DType.Bool or DType.UInt8))
        {
            throw new InvalidDataException($"{command}: {option} '{path}' holds {array.DType}; " +
                "expected Bool, true = may attend. Pass numbers to be added with --bias.");
        }

        RequireAxes(array, option);
        return Copy<bool>(array.ToBooleans(), array.Shape);
    }

    /// <summary>A new tensor of zeros for a result.</summary>
    public Tensor Result(params ReadOnlySpan<long> shape) => New(new TensorShape(shape));

    /// <summary>A result that is only made where a file for it is named.</summary>
    public Tensor? ResultFor(string? path, params ReadOnlySpan<long> shape) =>
        path is null ? null : New(new TensorShape(shape));

    /// <summary>Copies host values into a new tensor.</summary>
    public Tensor Copy<T>(ReadOnlySpan<T> values, ReadOnlySpan<long> shape) where T : unmanaged
    {
        Tensor tensor = New(new TensorShape(shape), DTypes.Of<T>());
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <summary>Writes a result as the storage type, or as the given one.</summary>
    public void Save(string? path, Tensor? tensor, DType? type = null)
    {
        if (path is null || tensor is null) return;
        float[] values = new float[tensor.Shape.ElementCount];
        tensor.CopyTo(values.AsSpan());
        long[] shape = tensor.Shape.ToArray();
        switch (type ?? StorageType)
        {
            case DType.Float16:
                NpyFile.Write<Half>(path, Array.ConvertAll(values, v => (Half)v), shape);
                break;
            case DType.BFloat16:
                NpyFile.Write<BFloat16>(path, Array.ConvertAll(values, v => (BFloat16)v), shape);
                break;
            default:
                NpyFile.Write<float>(path, values, shape);
                break;
        }
    }

    /// <summary>Throws the error of a file whose shape does not fit.</summary>
    public void RequireRank(Tensor tensor, string option, params ReadOnlySpan<int> ranks)
    {
        if (ranks.Contains(tensor.Shape.Rank)) return;
        throw new ArgumentException($"{command}: {option} has shape {tensor.Shape}; expected " +
            $"rank {string.Join(" or ", ranks.ToArray())}. Reshape it.");
    }

    /// <summary>Throws the error of a file whose shape is not the one expected.</summary>
    public void RequireShape(
        Tensor tensor, string option, TensorShape expected, string reason)
    {
        if (tensor.Shape == expected) return;
        throw new ArgumentException($"{command}: {option} has shape {tensor.Shape}; expected " +
            $"{expected} {reason}. Reshape it, or give another file.");
    }

    /// <summary>Throws the error of a file whose last axis has another size.</summary>
    public void RequireLastAxis(Tensor tensor, string option, long expected, string reason)
    {
        if (tensor.Shape.Rank > 0 && tensor.Shape[^1] == expected) return;
        throw new ArgumentException($"{command}: {option} has shape {tensor.Shape}; expected " +
            $"a last axis of {expected} {reason}. Reshape it, or give another file.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor tensor in owned) tensor.Dispose();
    }

    /// <summary>Files without elements may still claim axes of any size.</summary>
    private void RequireAxes(NpyArray array, string option)
    {
        bool fits = array.Shape.Length <= TensorShape.MaxRank &&
            array.Shape.Aggregate(1L, Covered) <= int.MaxValue;
        if (fits) return;
        throw new ArgumentException($"{command}: {option} has shape " +
            $"[{string.Join(", ", array.Shape)}]; expected at most {TensorShape.MaxRank} axes " +
            $"whose product, empty ones aside, is at most {int.MaxValue}. Cut it into parts.");

        static long Covered(long product, long size) =>
            size == 0 ? product : product > int.MaxValue / size ? long.MaxValue : product * size;
    }

    private Tensor New(TensorShape shape, DType dtype = DType.Float32)
    {
        Tensor tensor = new(shape, dtype, backend.Memory);
        owned.Add(tensor);
        return tensor;
    }
}

/// <summary>Views of optional tensors.</summary>
internal static class OptionalTensor
{
    /// <summary>The tensor's elements, or an absent view.</summary>
    public static BufferView ViewOrAbsent(this Tensor? tensor) => tensor?.View ?? default;
}
