using Transformer.Kernels.Ilgpu.Tests.StandIn;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Where the kernels run in these tests: on the stand-in.</summary>
internal static class TestDevice
{
    public static IlgpuBackend Backend { get; } = new("ilgpu-stand-in", -1, new StandInQueue());
}
