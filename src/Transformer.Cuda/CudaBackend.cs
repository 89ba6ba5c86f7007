using System.Globalization;
using Transformer.Backends;
using Transformer.Cuda.AttentionMerge;
using Transformer.Cuda.Driver;
using Transformer.Cuda.GeluFeedForward;
using Transformer.Cuda.FusedAttention;
using Transformer.Cuda.KvCacheAppend;
using Transformer.Cuda.LayerNorm;
using Transformer.Cuda.Linear;
using Transformer.Cuda.Memory;

namespace Transformer.Cuda;

/// <summary>CUDA C kernels on an NVIDIA GPU, through its driver alone.</summary>
/// <remarks>
/// Kernels enter one stream and run in that order; <see cref="Synchronize"/> waits for them, and so
/// does every copy to the host. Safe to call from many threads: their work is put into the stream
/// in the order of the calls.
/// </remarks>
public sealed partial class CudaBackend : Backend
{
    private static readonly Lazy<CudaBackend> Shared = new(() => new CudaBackend(0));
    private static int registered;

    private readonly string? reason;
    private readonly CudaQueue? queue;
    private readonly BackendMemory? memory;

    private CudaBackend(int ordinal)
    {
        CudaDevice? device = CudaDevice.TryOpen(ordinal, out reason);
        if (device is null) return;
        KernelLibrary library = new(device);
        reason = library.UnavailableReason;
        if (reason is not null) return;
        CudaStream stream = new(device);
        queue = new(stream, library);
        memory = new CudaMemory(stream);
        Register(new LayerNormForwardCuda(queue));
        RegisterRows(queue);
        Register(new LinearForwardCuda(queue));
        Register(new LinearBackwardCuda(queue));
        Register(new GeluFeedForwardForwardCuda(queue));
        Register(new GeluFeedForwardBackwardCuda(queue));
        Register(new FusedAttentionForwardCuda(queue));
        Register(new FusedAttentionBackwardCuda(queue));
        Register(new AttentionMergeCuda(queue));
        Register(new KvCacheAppendCuda(queue));
    }

    /// <summary>The first device of the process.</summary>
    public static CudaBackend Instance => Shared.Value;

    /// <inheritdoc/>
    public override string Name => DriverLibrary.IsEmulation ? "cuda-emulated" : "cuda";

    /// <inheritdoc/>
    public override string Device => queue is null ? "NVIDIA GPU" : string.Create(
        CultureInfo.InvariantCulture,
        $"{queue.Device.Name}, compute capability {queue.Device.ComputeCapability / 10}." +
        $"{queue.Device.ComputeCapability % 10}, {queue.Device.TotalBytes >> 20} MiB");

    /// <inheritdoc/>
    public override string? UnavailableReason => reason;

    /// <inheritdoc/>
    /// <remarks>The emulation proves kernels; nobody wants to run on it by default.</remarks>
    public override int Priority => DriverLibrary.IsEmulation ? -1 : 100;

    /// <inheritdoc/>
    public override BackendMemory Memory => memory ?? BackendMemory.Host;

    /// <summary>Adds the backend to the registry, once.</summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref registered, 1) == 0) BackendRegistry.Register(Instance);
    }

    /// <inheritdoc/>
    public override void Synchronize() => queue?.Stream.Synchronize();
}
