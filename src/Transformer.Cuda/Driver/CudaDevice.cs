using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>A device, its limits and its primary context.</summary>
internal sealed unsafe class CudaDevice
{
    private readonly int device;
    private readonly nint context;

    private CudaDevice(int ordinal)
    {
        Description = $"device {ordinal}";
        CudaException.Check(DriverApi.cuDeviceGet(out device, ordinal), Description);
        byte* name = stackalloc byte[256];
        CudaException.Check(DriverApi.cuDeviceGetName(name, 256, device), Description);
        Name = Encoding.UTF8.GetString(name, new ReadOnlySpan<byte>(name, 256).IndexOf((byte)0));
        Description = $"device {ordinal} '{Name}'";
        CudaException.Check(DriverApi.cuDeviceTotalMem_v2(out nuint bytes, device), Description);
        TotalBytes = (long)bytes;
        ComputeCapability = (Attribute(75) * 10) + Attribute(76);
        Multiprocessors = Attribute(16);
        SharedBytes = Attribute(97);
        // The primary context is the one that the CUDA runtime, and so PyTorch and others, use.
        // It is kept until the process ends.
        CudaException.Check(
            DriverApi.cuDevicePrimaryCtxRetain(out context, device), Description);
    }

    /// <summary>The device's name, such as "NVIDIA H200".</summary>
    public string Name { get; }

    /// <summary>Number and name, for messages.</summary>
    public string Description { get; }

    /// <summary>Memory of the device.</summary>
    public long TotalBytes { get; }

    /// <summary>Ten times the major plus the minor number: 90 for 9.0.</summary>
    public int ComputeCapability { get; }

    /// <summary>Streaming multiprocessors.</summary>
    public int Multiprocessors { get; }

    /// <summary>Shared memory that a block may ask for.</summary>
    public int SharedBytes { get; }

    /// <summary>Opens a device.</summary>
    /// <returns>The device, or null with the reason.</returns>
    public static CudaDevice? TryOpen(int ordinal, out string? reason)
    {
        reason = DriverLibrary.Load();
        if (reason is not null) return null;
        int status = DriverApi.cuInit(0);
        if (status != 0)
        {
            reason = $"cuInit gave {CudaException.Describe(status)}";
            return null;
        }

        status = DriverApi.cuDeviceGetCount(out int count);
        if (status != 0 || count <= ordinal)
        {
            reason = status != 0
                ? $"cuDeviceGetCount gave {CudaException.Describe(status)}"
                : $"the CUDA driver has {count} devices; number {ordinal} was asked for";
            return null;
        }

        try
        {
            return new(ordinal);
        }
        catch (Exception exception) when (exception is CudaException or OutOfMemoryException)
        {
            reason = exception.Message.TrimEnd('.');
            return null;
        }
    }

    /// <summary>Makes the primary context the calling thread's.</summary>
    public void Enter() => CudaException.Check(DriverApi.cuCtxSetCurrent(context), Description);

    private int Attribute(int number)
    {
        CudaException.Check(
            DriverApi.cuDeviceGetAttribute(out int value, number, device), Description,
            $"attribute {number}");
        return value;
    }
}
