using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Host;
using Transformer.Kernels.Ilgpu.Norm;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>What ILGPU makes of the kernels for an NVIDIA GPU; none is needed for it.</summary>
public sealed class PtxTests
{
    [Fact]
    public void NormForward_MovesFourFloatsAtOnce()
    {
        string ptx = Compile<NormForwardArgument<float>>(
            NormForward.GroupPerRow<float, SingleStorage>);
        Assert.Contains("ld.global.v4", ptx, StringComparison.Ordinal);
        Assert.Contains("st.global.v4", ptx, StringComparison.Ordinal);
        Assert.DoesNotContain(".local", ptx, StringComparison.Ordinal);
    }

    private static string Compile<TArgument>(Action<TArgument> kernel)
    {
        using KernelCompiler compiler = new(context => new PTXBackend(
            context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_80, null!));
        return ((PTXCompiledKernel)compiler.Compile(kernel.Method)).PTXAssembly;
    }
}
