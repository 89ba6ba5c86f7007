using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Every case of every op that has a CUDA kernel, on the emulated device.</summary>
public sealed class EmulatedParityTests
{
    public static TheoryData<string, OpDirection> Kernels()
    {
        TheoryData<string, OpDirection> rows = [];
        foreach (KernelInfo kernel in CudaBackend.Instance.Kernels)
            rows.Add(kernel.Op, kernel.Direction);
        // A theory needs a row to be skipped by.
        if (!EmulatedDevice.IsPresent) rows.Add("any", OpDirection.Forward);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void MatchesReference(string op, OpDirection direction)
    {
        CudaBackend backend = EmulatedDevice.Require();
        int passed = 0;
        foreach (ParityCase parity in ParityCases.Select([op], quick: false, [])
            .Where(c => c.Direction == direction))
        {
            long[] launches = AttentionKernels.Launches(parity);
            ParityResult result = parity.Run(backend);
            Assert.True(!result.Failed, result.ToString());
            if (!result.Passed) continue;
            passed++;
            AttentionKernels.Check(parity, launches);
        }

        Assert.True(passed > 0, $"{op} {direction}: no case ran");
    }
}
