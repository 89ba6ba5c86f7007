using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Memory;

/// <summary>Host memory that a device reads and writes while the host goes on.</summary>
internal sealed class PinnedMemory : SafeHandle
{
    // Of cuMemHostAlloc: for all contexts of the process.
    private const uint Portable = 1;

    private readonly CudaDevice device;

    /// <exception cref="InsufficientMemoryException">The system cannot pin so much.</exception>
    public PinnedMemory(CudaDevice device, long bytes) : base(0, ownsHandle: true)
    {
        this.device = device;
        device.Enter();
        CudaException.Check(
            DriverApi.cuMemHostAlloc(out nint address, (nuint)bytes, Portable),
            device.Description, $"{bytes} bytes of pinned host memory");
        SetHandle(address);
    }

    public nint Address => handle;

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() =>
        device.TryEnter() && DriverApi.cuMemFreeHost(handle) == 0;
}
