using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>How a model is written for other programs.</summary>
public sealed record ExportOptions
{
    /// <summary>Type of the weights: Float32, Float16 or BFloat16.</summary>
    public DType Type { get; init; } = DType.Float32;

    /// <summary>Most bytes of data in one file; 0: one file, whatever its size.</summary>
    public long MaxFileBytes { get; init; } = 5_000_000_000;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One is out of range.</exception>
    public void Validate()
    {
        if (Type is not (DType.Float32 or DType.Float16 or DType.BFloat16))
        {
            throw new ArgumentException($"ExportOptions: 'Type' is {Type}; expected Float32, " +
                "Float16 or BFloat16.");
        }

        if (MaxFileBytes < 0)
        {
            throw new ArgumentException($"ExportOptions: 'MaxFileBytes' is {MaxFileBytes}; " +
                "expected 0 (one file) or more.");
        }
    }
}
