using System.Diagnostics.CodeAnalysis;
using ILGPU;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>Where kernels are compiled and launched: one device, one order.</summary>
internal abstract class KernelQueue
{
    /// <summary>Null, or why nothing can be launched.</summary>
    public virtual string? UnavailableReason => null;

    /// <summary>The device, for people.</summary>
    public abstract string Device { get; }

    /// <summary>What the device allows.</summary>
    public abstract DeviceLimits Limits { get; }

    /// <summary>The memory that views point into.</summary>
    public abstract BackendMemory Memory { get; }

    /// <summary>The CUcontext and the CUstream that launches enter; zeros where it is no NVIDIA
    /// GPU.</summary>
    public virtual (nint Context, nint Stream) Cuda => default;

    /// <summary>Compiles a kernel for the device.</summary>
    /// <exception cref="NotSupportedException">It does not compile; says why.</exception>
    public abstract KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel)
        where TArgument : struct;

    /// <summary>Elements at an address of <see cref="Memory"/>, for a kernel; none at 0.</summary>
    public abstract ArrayView<T> View<T>(nint address, long length) where T : unmanaged;

    /// <summary>Memory for the launches that follow; it may be returned as soon as they are in the
    /// queue.</summary>
    public abstract Scratch Rent(long bytes);

    /// <summary>Waits until all work is done.</summary>
    public abstract void Synchronize();

    /// <summary>A clock that stands where the kernels run; null where there is none.</summary>
    public virtual IDeviceTimer? CreateTimer() => null;

    /// <summary>All elements of a tensor.</summary>
    public ArrayView<T> View<T>(BufferView view) where T : unmanaged =>
        View<T>(view.Address, view.Length);

    /// <summary>Floats of rented memory; none where nothing was rented.</summary>
    public ArrayView<float> Floats(Scratch scratch, long length) =>
        View<float>(scratch.Address, length);
}

/// <summary>Puts a compiled kernel into the queue.</summary>
internal delegate void KernelLauncher<TArgument>(LaunchShape shape, in TArgument argument);

/// <summary>One kernel of a device, compiled at its first launch.</summary>
/// <param name="queue">Where it runs.</param>
/// <param name="kernel">A static method over the kernel-side API.</param>
internal sealed class DeviceKernel<TArgument>(KernelQueue queue, Action<TArgument> kernel)
    where TArgument : struct
{
    private readonly Lock gate = new();
    private KernelLauncher<TArgument>? launcher;

    /// <summary>Puts it into the queue; a shape without groups does nothing.</summary>
    /// <exception cref="NotSupportedException">It has more groups than a launch takes.</exception>
    public void Launch(LaunchShape shape, in TArgument argument)
    {
        if (shape.Groups == 0 || shape.GroupsY == 0) return;
        if (shape.Groups > queue.Limits.Groups(shape.Threads)) ThrowTooMany(shape);
        (Volatile.Read(ref launcher) ?? Load())(shape, in argument);
    }

    [DoesNotReturn]
    private void ThrowTooMany(LaunchShape shape) => throw new NotSupportedException(
        $"ILGPU: kernel {kernel.Method.DeclaringType?.Name}.{kernel.Method.Name} needs " +
        $"{shape.Groups} groups of {shape.Threads} threads; a launch on {queue.Device} takes up " +
        $"to {queue.Limits.Groups(shape.Threads)}. Split the call.");

    private KernelLauncher<TArgument> Load()
    {
        lock (gate)
        {
            if (launcher is null) Volatile.Write(ref launcher, queue.Load(kernel));
            return launcher!;
        }
    }
}
