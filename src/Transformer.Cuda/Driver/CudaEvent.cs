using System.Runtime.InteropServices;

namespace Transformer.Cuda.Driver;

/// <summary>A mark in a stream.</summary>
internal sealed class CudaEvent : SafeHandle
{
    private readonly CudaDevice device;

    /// <summary>Makes a mark that has not been set.</summary>
    public CudaEvent(CudaDevice device) : base(0, ownsHandle: true)
    {
        this.device = device;
        device.Enter();
        CudaException.Check(DriverApi.cuEventCreate(out nint created, 0), device.Description);
        SetHandle(created);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Sets the mark behind the work that the stream has.</summary>
    public void Record(CudaStream stream)
    {
        device.Enter();
        CudaException.Check(
            DriverApi.cuEventRecord(handle, stream.Handle), device.Description);
    }

    /// <summary>Waits until the device has passed the mark.</summary>
    public void Synchronize()
    {
        device.Enter();
        CudaException.Check(DriverApi.cuEventSynchronize(handle), device.Description);
    }

    /// <summary>Keeps later work of a stream behind the mark; the host does not wait.</summary>
    public void Hold(CudaStream stream)
    {
        device.Enter();
        CudaException.Check(
            DriverApi.cuStreamWaitEvent(stream.Handle, handle, 0), device.Description);
    }

    /// <summary>Seconds from an earlier mark to this one; both have been passed.</summary>
    public double SecondsSince(CudaEvent earlier)
    {
        CudaException.Check(
            DriverApi.cuEventElapsedTime(out float milliseconds, earlier.handle, handle),
            device.Description);
        return milliseconds / 1e3;
    }

    protected override bool ReleaseHandle() =>
        device.TryEnter() && DriverApi.cuEventDestroy_v2(handle) == 0;
}
