using System.Globalization;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>What attention's kernels cannot do.</summary>
internal static class AttentionSupport
{
    /// <summary>Null where the kernels can take the inputs, else why not.</summary>
    public static string? Reason(in AttentionInputs inputs, BufferView output)
    {
        if (inputs.Score is { } score)
        {
            return $"score modifier '{score.Name}' is C# code, which compiled CUDA kernels " +
                "cannot call";
        }

        if (!CudaTypes.Same(out string? reason, ("query", inputs.Query), ("key", inputs.Key),
            ("value", inputs.Value), ("output", output)))
        {
            return reason;
        }

        if (inputs.Options.RelativeBuckets is { } buckets &&
            RelativeThresholds.Shared(buckets) > RelativeThresholds.Count)
        {
            return string.Create(CultureInfo.InvariantCulture,
                $"takes up to {RelativeThresholds.Count} buckets of several distances in a " +
                $"direction; there are {RelativeThresholds.Shared(buckets)}");
        }

        return Float("bias", inputs.Bias) ?? Float("alibiSlopes", inputs.AlibiSlopes) ??
            Float("relativeBias", inputs.RelativeBias) ?? Float("sinks", inputs.Sinks);
    }

    /// <summary>Null for a tensor that the kernels read or write as Float32, Float16 or BFloat16.
    /// </summary>
    public static string? Float(string name, BufferView view) =>
        view.IsAbsent || view.DType is DType.Float32 or DType.Float16 or DType.BFloat16
            ? null : $"takes '{name}' as Float32, Float16 or BFloat16; it is {view.DType}";

    /// <summary>Null for a tensor of Float32.</summary>
    public static string? Single(string name, BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32
            ? null : $"takes '{name}' as Float32; it is {view.DType}";

    /// <summary>Null for a launch of so many blocks, else that it cannot be.</summary>
    public static string? Blocks(Int128 blocks) => blocks <= int.MaxValue ? null
        : $"needs {blocks} blocks; a launch has {int.MaxValue} at most";
}
