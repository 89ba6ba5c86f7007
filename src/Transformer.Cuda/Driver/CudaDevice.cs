using System.Collections.Concurrent;
using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>A device, its limits, and the context in which it is used.</summary>
internal sealed unsafe class CudaDevice
{
    // Of the driver: stream-ordered memory came with 11.2, all graph calls used here with 11.4.
    private const int OldestDriver = 11040;

    // Of the driver: tensor maps and PTX 8.0, which sm_90a's instructions need.
    private const int HopperDriver = 12000;

    private static readonly Lock Gate = new();
    private static readonly ConcurrentDictionary<(int Ordinal, nint Context), CudaDevice> Opened =
        new();

    private CudaDevice(int ordinal, nint context)
    {
        Description = $"device {ordinal}";
        CudaException.Check(DriverApi.cuDeviceGet(out int device, ordinal), Description);
        Handle = device;
        byte* name = stackalloc byte[256];
        CudaException.Check(DriverApi.cuDeviceGetName(name, 256, device), Description);
        Name = Encoding.UTF8.GetString(name, new ReadOnlySpan<byte>(name, 256).IndexOf((byte)0));
        Description = $"device {ordinal} '{Name}'";
        CudaException.Check(DriverApi.cuDeviceTotalMem_v2(out nuint bytes, device), Description);
        TotalBytes = (long)bytes;
        ComputeCapability = (Attribute(75) * 10) + Attribute(76);
        Multiprocessors = Attribute(16);
        SharedBytes = Attribute(97);
        CacheBytes = Attribute(38);
        IsHopper = ComputeCapability == 90 &&
            DriverApi.cuDriverGetVersion(out int driver) == 0 && driver >= HopperDriver;
        // The primary context is the one that the CUDA runtime, and so PyTorch and others, use.
        // It is kept until the process ends.
        if (context == 0)
        {
            CudaException.Check(
                DriverApi.cuDevicePrimaryCtxRetain(out context, device), Description);
        }

        Context = context;
        Kernels = new(this);
    }

    /// <summary>The driver's number of the device.</summary>
    public int Handle { get; }

    /// <summary>The context, a CUcontext.</summary>
    public nint Context { get; }

    /// <summary>The kernels that are loaded there.</summary>
    public KernelLibrary Kernels { get; }

    /// <summary>The device's name, such as "NVIDIA H200".</summary>
    public string Name { get; }

    /// <summary>Number and name, for messages.</summary>
    public string Description { get; }

    /// <summary>Memory of the device.</summary>
    public long TotalBytes { get; }

    /// <summary>Ten times the major plus the minor number: 90 for 9.0.</summary>
    public int ComputeCapability { get; }

    /// <summary>True where kernels for sm_90a run: copy engine, products of warpgroups.</summary>
    public bool IsHopper { get; }

    /// <summary>Streaming multiprocessors.</summary>
    public int Multiprocessors { get; }

    /// <summary>Shared memory that a block may ask for.</summary>
    public int SharedBytes { get; }

    /// <summary>The L2 cache.</summary>
    public long CacheBytes { get; }

    /// <summary>Devices that the driver has; 0 without a driver.</summary>
    public static int Count(out string? reason)
    {
        reason = DriverLibrary.Load();
        if (reason is not null) return 0;
        int status = DriverApi.cuInit(0);
        if (status != 0)
        {
            reason = $"cuInit gave {CudaException.Describe(status)}";
            return 0;
        }

        status = DriverApi.cuDriverGetVersion(out int version);
        if (status == 0 && version < OldestDriver)
        {
            reason = $"the driver is one for CUDA {DriverLibrary.Text(version)}; " +
                $"{DriverLibrary.Text(OldestDriver)} or later is needed. Update NVIDIA's driver";
            return 0;
        }

        status = DriverApi.cuDeviceGetCount(out int count);
        if (status != 0) reason = $"cuDeviceGetCount gave {CudaException.Describe(status)}";
        return status == 0 ? count : 0;
    }

    /// <summary>Opens a device, or finds it opened.</summary>
    /// <param name="ordinal">Its number; of no matter with a context.</param>
    /// <param name="context">Somebody else's context, or 0 for the device's primary one.</param>
    /// <param name="reason">Null, or why it cannot be used.</param>
    public static CudaDevice? TryOpen(int ordinal, nint context, out string? reason)
    {
        int count = Count(out reason);
        if (reason is not null) return null;
        try
        {
            if (context != 0) ordinal = DeviceOf(context);
            if (count <= ordinal)
            {
                reason = $"the CUDA driver has {count} devices; number {ordinal} was asked for";
                return null;
            }

            lock (Gate)
            {
                return Opened.GetOrAdd((ordinal, context), k => new(k.Ordinal, k.Context));
            }
        }
        catch (Exception exception) when (exception is CudaException or OutOfMemoryException)
        {
            reason = exception.Message.TrimEnd('.');
            return null;
        }
    }

    /// <summary>Makes the context the calling thread's.</summary>
    public void Enter() => CudaException.Check(DriverApi.cuCtxSetCurrent(Context), Description);

    /// <summary>The same where nothing may be thrown, such as in finalizers.</summary>
    public bool TryEnter() => DriverApi.cuCtxSetCurrent(Context) == 0;

    private static int DeviceOf(nint context)
    {
        CudaException.Check(DriverApi.cuCtxSetCurrent(context), "a context of others");
        CudaException.Check(DriverApi.cuCtxGetDevice(out int device), "a context of others");
        for (int ordinal = 0; ; ordinal++)
        {
            CudaException.Check(DriverApi.cuDeviceGet(out int own, ordinal), $"device {ordinal}");
            if (own == device) return ordinal;
        }
    }

    private int Attribute(int number)
    {
        CudaException.Check(
            DriverApi.cuDeviceGetAttribute(out int value, number, Handle), Description,
            $"attribute {number}");
        return value;
    }
}
