using Transformer.Kernels.Ilgpu.Host;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Where the kernels run in these tests: on ILGPU's CPU accelerator.</summary>
internal static class TestDevice
{
    public static IlgpuBackend Backend { get; } = new("ilgpu-cpu", -1, new CpuQueue());
}
