using ILGPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Tests.StandIn;

/// <summary>Runs kernels on threads of this process, group by group.</summary>
internal sealed class StandInQueue : KernelQueue, IDisposable
{
    public const int WarpSize = 2;

    private readonly Lock gate = new();
    private readonly KernelGroup group = new();

    public override string Device => "stand-in for ILGPU's kernel-side API";

    public override DeviceLimits Limits => new(WarpSize, 2 * WarpSize, 48 << 10, 2);

    public override BackendMemory Memory => BackendMemory.Host;

    public override KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel) =>
        (LaunchShape shape, in TArgument argument) =>
        {
            Assert.InRange(shape.Threads, WarpSize, Limits.MaximumThreads);
            Assert.InRange(shape.SharedFloats * sizeof(float), 0, Limits.SharedBytes);
            TArgument copy = argument;
            lock (gate) group.Run(shape, () => kernel(copy));
        };

    public override ArrayView<T> View<T>(nint address, long length) =>
        address == 0 ? default : new(address, length);

    public override Scratch Rent(long bytes) => new(HostMemory.Rent(bytes));

    public override void Synchronize()
    {
    }

    public void Dispose() => group.Dispose();
}
