using Transformer.Backends;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Memory;

/// <summary>
/// Device memory from the driver's stream-ordered pool: freed memory is used again by the same
/// stream without a round trip to the operating system.
/// </summary>
internal sealed class CudaMemory(CudaQueue queue) : BackendMemory
{
    private const int ReleaseThreshold = 4;

    private readonly Lock gate = new();
    private CudaStaging? staging;
    private long allocated;
    private int leaked;

    /// <summary>Bytes that blocks hold now.</summary>
    public long AllocatedBytes => Interlocked.Read(ref allocated);

    /// <summary>Blocks that nobody disposed, found by the garbage collector.</summary>
    public int LeakedBlocks => Volatile.Read(ref leaked);

    public override bool IsHostAccessible => false;

    public override MemoryBlock Allocate(long bytes)
    {
        _ = Staging; // the pool is set up with it
        return new Block(this, queue.Stream, Math.Max(1, bytes));
    }

    /// <summary>The source has been read when this returns; the device has the data before any
    /// later work.</summary>
    public override void CopyFromHost(nint source, nint destination, long bytes)
    {
        RequireRunning();
        Staging.Upload(source, destination, bytes);
    }

    public override void CopyToHost(nint source, nint destination, long bytes)
    {
        RequireRunning();
        Staging.Download(source, destination, bytes);
    }

    public override void Copy(nint source, nint destination, long bytes)
    {
        CudaStream stream = Enter();
        CudaException.Check(
            DriverApi.cuMemcpyDtoDAsync_v2(destination, source, (nuint)bytes, stream.Handle),
            stream.Device.Description, bytes);
    }

    public override void Clear(nint address, long bytes)
    {
        CudaStream stream = Enter();
        CudaException.Check(
            DriverApi.cuMemsetD8Async(address, 0, (nuint)bytes, stream.Handle),
            stream.Device.Description, bytes);
    }

    private CudaStaging Staging
    {
        get
        {
            if (Volatile.Read(ref staging) is { } ready) return ready;
            lock (gate)
            {
                if (staging is null)
                {
                    KeepFreedMemory();
                    Volatile.Write(ref staging, new(queue.Stream));
                }

                return staging!;
            }
        }
    }

    // Nothing goes back to the system at a synchronisation: the next step needs it again.
    private unsafe void KeepFreedMemory()
    {
        CudaDevice device = Enter().Device;
        CudaException.Check(
            DriverApi.cuDeviceGetDefaultMemPool(out nint pool, device.Handle), device.Description);
        ulong keep = ulong.MaxValue;
        CudaException.Check(
            DriverApi.cuMemPoolSetAttribute(pool, ReleaseThreshold, &keep), device.Description);
    }

    private CudaStream Enter()
    {
        CudaStream stream = queue.Stream;
        stream.Device.Enter();
        return stream;
    }

    private void RequireRunning()
    {
        if (queue.IsRecording)
        {
            throw new InvalidOperationException("CUDA: a copy between host and device cannot be " +
                "recorded. Make it before or after the recorded calls.");
        }
    }

    private sealed class Block : MemoryBlock
    {
        private readonly CudaMemory memory;
        private readonly CudaStream stream;
#if DEBUG
        private readonly string made = Environment.StackTrace;
#endif

        public Block(CudaMemory memory, CudaStream stream, long bytes)
        {
            this.memory = memory;
            this.stream = stream;
            stream.Device.Enter();
            CudaException.Check(
                DriverApi.cuMemAllocAsync(out nint address, (nuint)bytes, stream.Handle),
                stream.Device.Description, bytes);
            Initialise(address, bytes);
            Interlocked.Add(ref memory.allocated, bytes);
        }

        protected override void Dispose(bool disposing)
        {
            if (!disposing && !IsInvalid && !IsClosed)
            {
                Interlocked.Increment(ref memory.leaked);
#if DEBUG
                Console.Error.WriteLine($"CUDA: {Size} bytes of device memory were never " +
                    $"disposed; allocated{Environment.NewLine}{made}");
#endif
            }

            base.Dispose(disposing);
        }

        protected override bool ReleaseHandle()
        {
            Interlocked.Add(ref memory.allocated, -Size);
            // The finalizer's thread has no context of its own.
            return stream.Device.TryEnter() &&
                DriverApi.cuMemFreeAsync(handle, stream.Handle) == 0;
        }
    }
}
