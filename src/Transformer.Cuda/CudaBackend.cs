using System.Collections.Concurrent;
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
/// <para>Kernels enter one stream and run in that order; <see cref="Synchronize"/> waits for them,
/// and so does every copy to the host. Safe to call from many threads: their work is put into the
/// stream in the order of the calls.</para>
/// <para>The driver is loaded and the device opened when somebody first asks for more than name
/// and kernels. Every call makes the backend's context the calling thread's.</para>
/// <para>Calls take device addresses wherever they come from: memory that another library has
/// allocated in the same context is viewed by <c>new BufferView(address, length, dtype)</c>
/// without a copy.</para>
/// </remarks>
public sealed partial class CudaBackend : Backend
{
    private static int registered;

    private readonly int ordinal;
    private readonly CudaQueue queue;
    private readonly CudaMemory memory;

    private CudaBackend(int ordinal, CudaQueue queue)
    {
        this.ordinal = ordinal;
        this.queue = queue;
        memory = new CudaMemory(queue);
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
    public static CudaBackend Instance => OnDevice(0);

    /// <summary>Devices that the driver has; 0 where there is no driver.</summary>
    public static int DeviceCount => CudaDevice.Count(out _);

    /// <inheritdoc/>
    public override string Name => (DriverLibrary.IsEmulation, ordinal) switch
    {
        (true, 0) => "cuda-emulated",
        (true, _) => string.Create(CultureInfo.InvariantCulture, $"cuda-emulated:{ordinal}"),
        (false, 0) => "cuda",
        (false, _) => string.Create(CultureInfo.InvariantCulture, $"cuda:{ordinal}"),
    };

    /// <inheritdoc/>
    public override string Device => queue.UnavailableReason is not null ? "NVIDIA GPU" :
        string.Create(
            CultureInfo.InvariantCulture,
            $"{queue.Device.Name}, compute capability {queue.Device.ComputeCapability / 10}." +
            $"{queue.Device.ComputeCapability % 10}, {queue.Device.TotalBytes >> 20} MiB");

    /// <inheritdoc/>
    public override string? UnavailableReason => queue.UnavailableReason;

    /// <inheritdoc/>
    /// <remarks>The emulation proves kernels; nobody wants to run on it by default.</remarks>
    public override int Priority => DriverLibrary.IsEmulation ? -1 : 100;

    /// <inheritdoc/>
    public override BackendMemory Memory =>
        queue.UnavailableReason is null ? memory : BackendMemory.Host;

    /// <summary>The stream that the kernels enter, a CUstream.</summary>
    /// <exception cref="NotSupportedException">The backend is not available.</exception>
    public nint Stream => queue.Stream.Handle;

    /// <summary>The context in which they run, a CUcontext.</summary>
    /// <exception cref="NotSupportedException">The backend is not available.</exception>
    public nint Context => queue.Device.Context;

    /// <summary>Bytes of device memory that this backend's tensors hold.</summary>
    public long AllocatedBytes => memory.AllocatedBytes;

    /// <summary>Tensors' memory that was never disposed and was found by the garbage collector; a
    /// Debug build also tells where each was allocated.</summary>
    public int LeakedBlocks => memory.LeakedBlocks;

    /// <summary>Where its kernels are launched.</summary>
    internal CudaQueue Queue => queue;

    /// <summary>The backend of a device in its primary context, which the CUDA runtime, and so
    /// PyTorch, uses, too; always the same one for a device.</summary>
    /// <param name="ordinal">The driver's number of the device, from 0.</param>
    public static CudaBackend OnDevice(int ordinal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        return Opened.Devices.GetOrAdd(ordinal, o => new(o, new CudaQueue(o, 0, null)));
    }

    /// <summary>A backend whose kernels enter a stream of somebody else's.</summary>
    /// <param name="stream">A CUstream of the device's primary context (0: the default stream).
    /// It stays its owner's and must outlive the backend and its tensors.</param>
    /// <param name="ordinal">The stream's device.</param>
    public static CudaBackend OnStream(nint stream, int ordinal = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        return new(ordinal, new CudaQueue(ordinal, 0, stream));
    }

    /// <summary>A backend in a context of somebody else's, such as one that ManagedCuda made.
    /// </summary>
    /// <param name="context">A CUcontext; it stays its owner's.</param>
    /// <param name="stream">A CUstream of the context (0: its default stream). Both must outlive
    /// the backend and its tensors.</param>
    /// <exception cref="ArgumentException">The context is 0.</exception>
    public static CudaBackend InContext(nint context, nint stream)
    {
        if (context == 0)
        {
            throw new ArgumentException("CudaBackend: 'context' is 0; expected a CUcontext. Use " +
                "OnStream for a stream of the primary context.");
        }

        return new(0, new CudaQueue(0, context, stream));
    }

    /// <summary>Adds the first device to the registry, once. CUDA_VISIBLE_DEVICES says which that
    /// is.</summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref registered, 1) != 0) return;
        BackendRegistry.Register(() =>
        {
            DriverLibrary.Load(); // its name depends on which driver it is
            return Instance;
        });
    }

    /// <inheritdoc/>
    public override IRecordedCalls? Record(ReadOnlySpan<PreparedCall> calls) =>
        queue.Record(calls);

    /// <inheritdoc/>
    public override IDeviceTimer? CreateTimer() => new CudaTimer(queue);

    /// <inheritdoc/>
    public override void Synchronize()
    {
        if (queue.UnavailableReason is null) queue.Stream.Synchronize();
    }

    // Apart, so that registering costs a program that asks for no backend next to nothing.
    private static class Opened
    {
        public static readonly ConcurrentDictionary<int, CudaBackend> Devices = new();
    }
}
