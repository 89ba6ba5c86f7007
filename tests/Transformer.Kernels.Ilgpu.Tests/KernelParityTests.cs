using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Every case of every op that has an ILGPU kernel: on ILGPU's CPU accelerator where the
/// build had the package, else on a stand-in for its kernel-side API.</summary>
public sealed class KernelParityTests
{
    public static TheoryData<string, OpDirection> Kernels()
    {
        TheoryData<string, OpDirection> rows = [];
        foreach (KernelInfo kernel in TestDevice.Backend.Kernels)
            rows.Add(kernel.Op, kernel.Direction);
        return rows;
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void MatchesReference(string op, OpDirection direction)
    {
        int passed = 0;
        foreach (ParityCase parity in TestCases.Of(op).Where(
            c => c.Direction == direction))
        {
            ParityResult result = parity.Run(TestDevice.Backend);
            Assert.True(result.Passed, result.ToString());
            passed++;
        }

        Assert.True(passed > 0, $"{op} {direction}: no case ran");
    }

    [Fact]
    public void CudaContext_OfABackendWithoutOne_IsRefusedWithTheRemedy() => Assert.EndsWith(
        $"it runs on {TestDevice.Backend.Device}, which has no CUDA context. Use ilgpu-cuda.",
        Assert.Throws<NotSupportedException>(() => TestDevice.Backend.Cuda).Message,
        StringComparison.Ordinal);
}
