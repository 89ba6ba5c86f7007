using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>Every case of the table, not only those that it repeats itself, on 16-bit tensors.
/// </summary>
public sealed class SixteenBitTests
{
    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void EveryCaseOfEveryOp_RunsOnTheVectorKernels(DType dtype)
    {
        // Attention chooses its own: large scores overflow what 16 bits can hold.
        ParityCase[] cases = [.. ParityCases.All.Where(c =>
            c.DType == DType.Float32 && !c.Float32Only && c.Op != "FusedAttention")];
        Assert.True(cases.Length > 500, $"{cases.Length} cases");

        ParityResult[] failed = [.. cases.Select(c => c.As(dtype).Run(SimdBackend.Instance))
            .Where(result => !result.Passed)];

        Assert.True(failed.Length == 0, string.Join('\n', failed.Take(40)));
    }
}
