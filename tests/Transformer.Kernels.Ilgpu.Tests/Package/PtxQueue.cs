using System.Collections.Concurrent;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Host;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Compiles kernels for an NVIDIA GPU and checks their launches; runs nothing.</summary>
internal sealed class PtxQueue : KernelQueue
{
    private readonly KernelCompiler compiler = CreateCompiler();

    /// <summary>The PTX of each kernel that was launched, by its name with its types.</summary>
    public ConcurrentDictionary<string, string> Compiled { get; } = new();

    public override string Device => "PTX for compute capability 8.0";

    public override DeviceLimits Limits => new(32, 1024, 48 << 10, 108);

    public override BackendMemory Memory => BackendMemory.Host;

    public static KernelCompiler CreateCompiler() => new(context => new PTXBackend(
        context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_80, null!));

    public override KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel)
    {
        string types = string.Join(", ", kernel.Method.GetGenericArguments().Select(t => t.Name));
        string name = $"{kernel.Method.DeclaringType!.Name}.{kernel.Method.Name}<{types}>";
        Compiled[name] = ((PTXCompiledKernel)compiler.Compile(kernel.Method)).PTXAssembly;
        return (LaunchShape shape, in TArgument argument) =>
        {
            Assert.InRange(shape.Threads, Limits.WarpSize, Limits.MaximumThreads);
            Assert.InRange(shape.SharedFloats * sizeof(float), 0, Limits.SharedBytes);
            Assert.InRange(shape.GroupsY, 1, ushort.MaxValue);
        };
    }

    public override ArrayView<T> View<T>(nint address, long length) => default;

    public override Scratch Rent(long bytes) => new(HostMemory.Rent(bytes));

    public override void Synchronize()
    {
    }
}
