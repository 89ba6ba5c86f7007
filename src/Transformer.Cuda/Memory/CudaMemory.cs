using Transformer.Backends;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Memory;

/// <summary>
/// Device memory from the driver's stream-ordered pool: freed memory is used again by the same
/// stream without a round trip to the operating system.
/// </summary>
internal sealed class CudaMemory : BackendMemory
{
    private const int ReleaseThreshold = 4;
    private readonly CudaStream stream;

    public unsafe CudaMemory(CudaStream stream)
    {
        this.stream = stream;
        // Nothing goes back to the system at a synchronisation: the next step needs it again.
        CudaDevice device = stream.Device;
        CudaException.Check(
            DriverApi.cuDeviceGetDefaultMemPool(out nint pool, 0), device.Description);
        ulong keep = ulong.MaxValue;
        CudaException.Check(
            DriverApi.cuMemPoolSetAttribute(pool, ReleaseThreshold, &keep), device.Description);
    }

    public override bool IsHostAccessible => false;

    public override MemoryBlock Allocate(long bytes) => new Block(this, bytes);

    public override void CopyFromHost(nint source, nint destination, long bytes)
    {
        Enter();
        // Pageable memory: the driver has read it when the call returns.
        CudaException.Check(
            DriverApi.cuMemcpyHtoDAsync_v2(destination, source, (nuint)bytes, stream.Handle),
            stream.Device.Description, Bytes(bytes));
        stream.Synchronize();
    }

    public override void CopyToHost(nint source, nint destination, long bytes)
    {
        Enter();
        CudaException.Check(
            DriverApi.cuMemcpyDtoHAsync_v2(destination, source, (nuint)bytes, stream.Handle),
            stream.Device.Description, Bytes(bytes));
        stream.Synchronize();
    }

    public override void Copy(nint source, nint destination, long bytes)
    {
        Enter();
        CudaException.Check(
            DriverApi.cuMemcpyDtoDAsync_v2(destination, source, (nuint)bytes, stream.Handle),
            stream.Device.Description, Bytes(bytes));
    }

    public override void Clear(nint address, long bytes)
    {
        Enter();
        CudaException.Check(
            DriverApi.cuMemsetD8Async(address, 0, (nuint)bytes, stream.Handle),
            stream.Device.Description, Bytes(bytes));
    }

    private static string Bytes(long bytes) => $"{bytes} bytes";

    private void Enter() => stream.Device.Enter();

    private sealed class Block : MemoryBlock
    {
        private readonly CudaMemory memory;

        public Block(CudaMemory memory, long bytes)
        {
            this.memory = memory;
            memory.Enter();
            CudaException.Check(
                DriverApi.cuMemAllocAsync(
                    out nint address, (nuint)Math.Max(1, bytes), memory.stream.Handle),
                memory.stream.Device.Description, Bytes(bytes));
            Initialise(address, Math.Max(1, bytes));
        }

        protected override bool ReleaseHandle()
        {
            // The finalizer's thread has no context of its own.
            memory.Enter();
            return DriverApi.cuMemFreeAsync(handle, memory.stream.Handle) == 0;
        }
    }
}
