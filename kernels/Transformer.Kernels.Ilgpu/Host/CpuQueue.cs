using ILGPU;
using ILGPU.Backends.IL;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>ILGPU's CPU accelerator: a thread of the process for each thread of a group, for
/// checking kernels, not for speed.</summary>
internal sealed class CpuQueue : KernelQueue
{
    // Small groups: every barrier is one of the operating system's. Two warps, so that kernels
    // cannot do without barriers between warps.
    private const int WarpSize = 2, Warps = 2;

    private readonly Lock gate = new();
    private readonly KernelCompiler compiler = new(context => new CpuBackend(context));
    private readonly Lazy<(Accelerator Accelerator, AddressSpace Space)> opened = new(Open);

    public override string Device => "ILGPU's CPU accelerator, for checking kernels";

    public override DeviceLimits Limits => new(WarpSize, WarpSize * Warps, 48 << 10, 1);

    public override BackendMemory Memory => BackendMemory.Host;

    public override KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel)
    {
        lock (gate) return compiler.Load(opened.Value.Accelerator, gate, kernel);
    }

    public override ArrayView<T> View<T>(nint address, long length) => address == 0
        ? default : new(opened.Value.Space, address / Interop.SizeOf<T>(), length);

    public override Scratch Rent(long bytes) => new(HostMemory.Rent(bytes));

    public override void Synchronize()
    {
        lock (gate) opened.Value.Accelerator.Synchronize();
    }

    private static (Accelerator Accelerator, AddressSpace Space) Open()
    {
        Context context = Context.Create(
            builder => builder.CPU(new CPUDevice(WarpSize, Warps, 1)));
        Accelerator accelerator = context.GetCPUDevice(0).CreateCPUAccelerator(
            context, CPUAcceleratorMode.Parallel);
        return (accelerator, AddressSpace.Of(accelerator));
    }

    // Compiles in any context; a context keeps its own for itself.
    private sealed class CpuBackend(Context context) : DefaultILBackend(context);
}
