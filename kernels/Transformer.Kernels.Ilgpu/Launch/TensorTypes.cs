using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>What the kernels ask of a call's tensors.</summary>
internal static class TensorTypes
{
    /// <summary>True when all tensors that are there have the same floating-point type of 16 or
    /// 32 bits.</summary>
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

    /// <summary>True when all tensors that are there are Float32.</summary>
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

    /// <summary>1 when every row of every tensor that is there can be read by fours, else 0.
    /// </summary>
    public static int RowsAligned(int width, params ReadOnlySpan<BufferView> tensors)
    {
        if (width % 4 != 0) return 0;
        foreach (BufferView view in tensors)
            if (view.IsPresent && view.Address % (4 * view.DType.Size()) != 0) return 0;
        return 1;
    }
}

/// <summary>The same work for each element type.</summary>
internal sealed class ByType<TWork>(TWork single, TWork half, TWork brain)
{
    public TWork this[DType type] => type switch
    {
        DType.Float16 => half,
        DType.BFloat16 => brain,
        _ => single,
    };
}
