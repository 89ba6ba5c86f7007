using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda;

/// <summary>One kernel in each element type: names end in f32, f16 and bf16.</summary>
/// <param name="queue">Where it is launched.</param>
/// <param name="file">The file of native/ without its extension.</param>
/// <param name="name">The kernels' common name, with {0} for the type.</param>
internal sealed class TypedKernel(CudaQueue queue, string file, string name)
{
    private readonly CudaKernel single = Of(queue, file, name, "f32");
    private readonly CudaKernel half = Of(queue, file, name, "f16");
    private readonly CudaKernel brain = Of(queue, file, name, "bf16");

    public CudaKernel this[DType type] => type switch
    {
        DType.Float16 => half,
        DType.BFloat16 => brain,
        _ => single,
    };

    private static CudaKernel Of(CudaQueue queue, string file, string name, string type) =>
        queue.Kernel(file, name.Replace("{0}", type, StringComparison.Ordinal));
}

/// <summary>What the kernels ask of a call's tensors.</summary>
internal static class CudaTypes
{
    /// <summary>True when all tensors that are there have the same floating-point type.</summary>
    public static bool Same(
        out string? reason, params ReadOnlySpan<(string Name, BufferView View)> tensors)
    {
        DType? first = null;
        foreach ((string name, BufferView view) in tensors)
        {
            if (view.IsAbsent) continue;
            if (view.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
            {
                reason = $"takes '{name}' as Float32, Float16 or BFloat16; it is {view.DType}";
                return false;
            }

            first ??= view.DType;
            if (view.DType != first)
            {
                reason = $"takes tensors of one type; '{name}' is {view.DType}, not {first}";
                return false;
            }
        }

        reason = null;
        return true;
    }

    /// <summary>True when all tensors that are there, statistics of the call, are Float32.
    /// </summary>
    public static bool Single(
        out string? reason, params ReadOnlySpan<(string Name, BufferView View)> tensors)
    {
        foreach ((string name, BufferView view) in tensors)
        {
            if (view.IsAbsent || view.DType == DType.Float32) continue;
            reason = $"takes '{name}' as Float32; it is {view.DType}";
            return false;
        }

        reason = null;
        return true;
    }

    /// <summary>True when every row of every tensor starts on 16 bytes.</summary>
    public static bool RowsAligned(int width, params ReadOnlySpan<BufferView> tensors)
    {
        foreach (BufferView view in tensors)
        {
            if (view.IsAbsent) continue;
            if (view.Address % 16 != 0 || (long)width * view.DType.Size() % 16 != 0) return false;
        }

        return true;
    }
}
