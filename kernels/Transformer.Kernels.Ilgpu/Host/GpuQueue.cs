using ILGPU;
using ILGPU.Runtime;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>The first GPU of a kind and its default stream, opened when somebody first needs it.
/// One thread at a time: ILGPU's accelerators and streams are not made for several.</summary>
internal abstract class GpuQueue : KernelQueue
{
    private GpuMemory? memory;
    private KernelCompiler? compiler;
    private Accelerator? accelerator;
    private string? reason;

    /// <summary>Held while the device is given work.</summary>
    public Lock Gate { get; } = new();

    /// <inheritdoc/>
    public override string? UnavailableReason
    {
        get
        {
            if (Volatile.Read(ref accelerator) is not null) return null;
            lock (Gate)
            {
                if (accelerator is null && reason is null) Open();
                return reason;
            }
        }
    }

    /// <inheritdoc/>
    public override string Device => UnavailableReason is not null ? Kind
        : $"{Accelerator.Name}, {Accelerator.MemorySize >> 20} MiB";

    /// <inheritdoc/>
    public override DeviceLimits Limits => new(
        Accelerator.WarpSize, Accelerator.MaxNumThreadsPerGroup,
        Accelerator.MaxSharedMemoryPerGroup, Accelerator.NumMultiprocessors, GridThreads);

    /// <inheritdoc/>
    public override BackendMemory Memory => Blocks;

    /// <summary>What devices it is for.</summary>
    protected abstract string Kind { get; }

    /// <summary>Threads of all groups of a launch along x.</summary>
    protected virtual long GridThreads => long.MaxValue;

    /// <summary>The device; the queue is available.</summary>
    protected Accelerator Accelerator => UnavailableReason is null ? accelerator!
        : throw new NotSupportedException($"ILGPU: {reason}.");

    /// <summary>The device's memory; the queue is available.</summary>
    protected GpuMemory Blocks => UnavailableReason is null ? memory!
        : throw new NotSupportedException($"ILGPU: {reason}.");

    /// <inheritdoc/>
    public override KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel)
    {
        Accelerator device = Accelerator;
        lock (Gate) return compiler!.Load(device, Gate, kernel);
    }

    /// <inheritdoc/>
    public override Scratch Rent(long bytes) => Blocks.Rent(bytes);

    /// <inheritdoc/>
    public override void Synchronize()
    {
        Accelerator device = Accelerator;
        lock (Gate)
        {
            device.Bind();
            device.DefaultStream.Synchronize();
        }
    }

    /// <summary>A context with the devices of this kind.</summary>
    protected abstract Context CreateContext();

    /// <summary>The first device; null where there is none.</summary>
    protected abstract Accelerator? CreateAccelerator(Context context);

    /// <summary>A compiler for the device in another context.</summary>
    protected abstract ILGPU.Backends.Backend CreateBackend(Context context, Accelerator device);

    /// <summary>The device's memory.</summary>
    protected abstract GpuMemory CreateMemory(Accelerator device);

    private void Open()
    {
        Context? context = null;
        try
        {
            context = CreateContext();
            Accelerator? device = CreateAccelerator(context);
            if (device is null)
            {
                reason = $"no {Kind} was found";
                context.Dispose();
                return;
            }

            compiler = new(inner => CreateBackend(inner, device));
            memory = CreateMemory(device);
            Volatile.Write(ref accelerator, device);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            reason = $"ILGPU could not open an {Kind}: " +
                exception.GetBaseException().Message.ReplaceLineEndings(" ").TrimEnd('.');
            context?.Dispose();
        }
    }
}
