using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda;

/// <summary>Launches that map over elements: native/include/elementwise.cuh.</summary>
internal static class CudaElements
{
    /// <summary>Threads of a block.</summary>
    public const uint Threads = 256;

    private const long MaximumBlocks = 1 << 30;

    /// <summary>Whole 16-byte chunks of tensors of one type; 0 where one starts off 16 bytes.
    /// </summary>
    public static ulong Chunks(long length, params ReadOnlySpan<BufferView> tensors)
    {
        foreach (BufferView view in tensors)
            if (view.Address % 16 != 0) return 0;
        return (ulong)(length * tensors[0].DType.Size() / 16);
    }

    /// <summary>A thread for each unit of work; kernels take further units in a loop.</summary>
    public static LaunchShape Shape(long units) =>
        new((uint)Math.Min((units + Threads - 1) / Threads, MaximumBlocks), Threads);

    /// <summary>A thread for each chunk, or for each element where there are no chunks.</summary>
    public static LaunchShape Shape(long length, ulong chunks) =>
        Shape(chunks == 0 ? length : (long)chunks);

    /// <summary>Sets bytes to 0, in the order of the queue.</summary>
    public static void Clear(CudaQueue queue, nint address, long bytes)
    {
        if (bytes == 0) return;
        queue.Device.Enter();
        int status = DriverApi.cuMemsetD8Async(address, 0, (nuint)bytes, queue.Stream.Handle);
        if (status == 0) return;
        CudaException.Check(status, queue.Device.Description, $"{bytes} bytes",
            nameof(DriverApi.cuMemsetD8Async));
    }
}
