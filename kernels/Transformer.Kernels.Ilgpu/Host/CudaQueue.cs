using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Transformer.Backends;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>NVIDIA GPUs. Addresses are the driver's.</summary>
internal sealed class CudaQueue : GpuQueue
{
    private AddressSpace? space;

    protected override string Kind => "NVIDIA GPU";

    public override (nint Context, nint Stream) Cuda =>
        (Accelerator.NativePtr, ((CudaStream)Accelerator.DefaultStream).StreamPtr);

    public override ArrayView<T> View<T>(nint address, long length) => address == 0
        ? default : new(space!, address / Interop.SizeOf<T>(), length);

    public override IDeviceTimer CreateTimer()
    {
        CudaAccelerator device = (CudaAccelerator)Accelerator;
        return new StreamTimer(device, Gate, device.L2CacheSize);
    }

    // Profiling: streams take marks; launches cost nothing more by it.
    protected override Context CreateContext() =>
        Context.Create(builder => builder.Cuda().Profiling());

    protected override Accelerator? CreateAccelerator(Context context)
    {
        if (context.GetCudaDevices().Count == 0) return null;
        CudaAccelerator device = context.CreateCudaAccelerator(0);
        space = AddressSpace.Of(device);
        return device;
    }

    protected override ILGPU.Backends.Backend CreateBackend(Context context, Accelerator device)
    {
        CudaAccelerator cuda = (CudaAccelerator)device;
        return new PTXBackend(context, cuda.Architecture, cuda.InstructionSet, null!);
    }

    protected override GpuMemory CreateMemory(Accelerator device) =>
        new CudaMemory(device, Gate, space!);
}

/// <summary>Memory of an NVIDIA GPU; the driver tells host and device addresses apart.</summary>
internal sealed class CudaMemory(Accelerator device, Lock gate, AddressSpace space)
    : GpuMemory(device, gate)
{
    private readonly CudaStream stream = (CudaStream)device.DefaultStream;

    protected override nint Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer) => buffer.NativePtr;

    protected override void Remove(nint address)
    {
    }

    protected override void Upload(nint source, nint destination, long bytes) =>
        CopyWithin(source, destination, bytes);

    protected override void Download(nint source, nint destination, long bytes) =>
        CopyWithin(source, destination, bytes);

    protected override void CopyWithin(nint source, nint destination, long bytes) =>
        CudaMemoryBuffer.CudaCopy(stream, At(source, bytes), At(destination, bytes));

    protected override void Fill(nint address, long bytes) =>
        CudaMemoryBuffer.CudaMemSet(stream, 0, At(address, bytes));

    private ArrayView<byte> At(nint address, long bytes) => new(space, address, bytes);
}
