using Transformer.Tensors;

namespace Transformer.Backends;

/// <summary>What the vectorised kernels can take: null, or the reason against it. Absent buffers do
/// not count.</summary>
internal static class SimdSupport
{
    /// <summary>For a buffer that the kernel converts on the way: Float32, Float16 or BFloat16.
    /// </summary>
    public static string? Storage(string argument, BufferView view) =>
        view.IsAbsent || view.DType.WidensToSingle() ? null
            : $"takes Float32, Float16 and BFloat16; '{argument}' is {view.DType}";

    /// <summary>Whether a buffer is one of binary32, or absent.</summary>
    public static bool IsSingle(BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32;

    /// <summary>For a buffer that the kernel reads or writes as it is.</summary>
    public static string? Float32(string argument, BufferView view) =>
        IsSingle(view) ? null : $"takes '{argument}' as Float32; it is {view.DType}";

    /// <summary>As <see cref="Storage"/>, for many buffers: true where none has a reason against
    /// it, else the first.</summary>
    public static bool AllStorage(
        out string? reason, params ReadOnlySpan<(string Argument, BufferView View)> buffers)
    {
        reason = null;
        foreach ((string argument, BufferView view) in buffers)
            reason ??= Storage(argument, view);

        return reason is null;
    }

    /// <summary>As <see cref="Float32"/>, for many buffers: true where none has a reason against
    /// it, else the first.</summary>
    public static bool AllFloat32(
        out string? reason, params ReadOnlySpan<(string Argument, BufferView View)> buffers)
    {
        reason = null;
        foreach ((string argument, BufferView view) in buffers)
            reason ??= Float32(argument, view);

        return reason is null;
    }
}

/// <summary>Cuts rows into batches by their number alone, never by the number of threads.</summary>
internal static class RowBatches
{
    public const int RowsPerBatch = 16;

    /// <summary>Batches for that many rows.</summary>
    public static int Count(int rows) => (int)(((long)rows + RowsPerBatch - 1) / RowsPerBatch);

    /// <summary>The rows [First, Last) of one batch.</summary>
    public static (int First, int Last) Range(int batch, int rows) =>
        (batch * RowsPerBatch, (int)Math.Min(rows, (batch + 1L) * RowsPerBatch));
}
