using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tests.Support;
using Transformer.Verification;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention.Properties;

/// <summary>Attention of any shape and any mix of options: the vectorised kernels agree with the
/// reference within the tolerance of the case, write nothing else, and hidden NaN never shows.
/// </summary>
public sealed class AttentionParityPropertyTests
{
    private static readonly Backend Simd = BackendRegistry.Find("simd");

    [Fact]
    public void Forward_MatchesReference() => Property.Holds(AttentionSamples.All, 250,
        sample => Passes(FusedAttentionCases.ForwardCase(sample.Spec)));

    [Fact]
    public void Backward_MatchesReference() => Property.Holds(AttentionSamples.All, 250,
        sample => Passes(FusedAttentionCases.BackwardCase(sample.Spec)));

    [Theory]
    [InlineData(257, 257, 1, 1)]
    [InlineData(300, 1, 7, 7)]
    [InlineData(1, 300, 12, 4)]
    public void WidthsBeyondTheUsual_MatchReference(
        int dimension, int valueDimension, int heads, int keyHeads)
    {
        AttentionSample sample = new()
        {
            KeyValueHeads = keyHeads, Group = heads / keyHeads, Queries = 5, Keys = 9,
            Dimension = dimension, ValueDimension = valueDimension,
            Options = new() { Causal = CausalAlignment.BottomRight, SoftCap = 2 },
            Mask = new(2, false, false, true, 0), Bias = new(4, true, true, true, 0),
        };
        Passes(FusedAttentionCases.ForwardCase(sample.Spec));
        Passes(FusedAttentionCases.BackwardCase(sample.Spec));
    }

    private static void Passes(ParityCase one)
    {
        ParityResult result = one.Run(Simd);
        Assert.True(result.Passed, $"{result.Direction}: {result.Skipped ?? result.Detail}");
    }
}
