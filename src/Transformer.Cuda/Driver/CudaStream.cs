using System.Runtime.InteropServices;

namespace Transformer.Cuda.Driver;

/// <summary>A queue of work on a device: what enters it runs in that order.</summary>
internal sealed class CudaStream : SafeHandle
{
    private const uint NonBlocking = 1;

    public CudaStream(CudaDevice device) : base(0, ownsHandle: true)
    {
        Device = device;
        device.Enter();
        CudaException.Check(
            DriverApi.cuStreamCreate(out nint stream, NonBlocking), device.Description);
        SetHandle(stream);
    }

    /// <summary>A stream of somebody else's, in the device's context.</summary>
    public CudaStream(CudaDevice device, nint stream) : base(0, ownsHandle: false)
    {
        Device = device;
        SetHandle(stream);
    }

    public CudaDevice Device { get; }

    public nint Handle => handle;

    public override bool IsInvalid => false; // 0 is the default stream

    public void Synchronize()
    {
        Device.Enter();
        CudaException.Check(DriverApi.cuStreamSynchronize(handle), Device.Description);
    }

    protected override bool ReleaseHandle() =>
        handle == 0 || !Device.TryEnter() || DriverApi.cuStreamDestroy_v2(handle) == 0;
}
