using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>What a hidden key holds must not reach any result, however it is hidden.</summary>
public class FusedAttentionHiddenKeyTests : KernelTest
{
    // Two keys of four are hidden from every query: 2 and 3, or 0 and 1 for the window.
    [Theory]
    [InlineData("lengths")]
    [InlineData("causal")]
    [InlineData("window")]
    [InlineData("mask")]
    [InlineData("short mask")]
    [InlineData("bias")]
    [InlineData("short bias")]
    public void HiddenKeys_MayHoldNaNAndInfinity(string hiddenBy)
    {
        AttentionProblem clean = Solve(hiddenBy, 0, 0);
        foreach ((double key, double value) in new[]
        {
            (double.NaN, double.NaN), (double.PositiveInfinity, double.NegativeInfinity),
            (double.NegativeInfinity, double.PositiveInfinity),
        })
        {
            AttentionProblem poisoned = Solve(hiddenBy, key, value);
            Numbers.Same(clean.Output.Values, poisoned.Output.Values, "output");
            Numbers.Same(clean.LogSumExp.Values, poisoned.LogSumExp.Values, "lse");
            Numbers.Same(clean.QueryGradient.Values, poisoned.QueryGradient.Values, "dQ");
            Numbers.Same(clean.KeyGradient.Values, poisoned.KeyGradient.Values, "dK");
            Numbers.Same(clean.ValueGradient.Values, poisoned.ValueGradient.Values, "dV");
            Assert.All(poisoned.Output.Values, x => Assert.True(double.IsFinite(x)));
        }
    }

    [Fact]
    public void VisibleNaN_DoesReachTheResult()
    {
        AttentionProblem problem = Solve("none", double.NaN, 1);
        Assert.All(problem.Output.Values, x => Assert.True(double.IsNaN(x)));
    }

    private AttentionProblem Solve(string hiddenBy, double keyPoison, double valuePoison)
    {
        AttentionSizes sizes = new(1, 1, 1, 2, 4, 2, 2);
        int first = hiddenBy == "window" ? 0 : 2;
        double[] keys = Numbers.Normal(2, 8);
        double[] values = Numbers.Normal(3, 8);
        keys.AsSpan(first * 2, 4).Fill(keyPoison);
        values.AsSpan(first * 2, 4).Fill(valuePoison);
        AttentionInputs inputs = new()
        {
            Query = Real(Numbers.Normal(1, 4)),
            Key = Real(keys),
            Value = Real(values),
            Sizes = sizes,
        };
        AttentionProblem problem = new(this, hiddenBy switch
        {
            "lengths" => inputs with { KeyLengths = Ints(2) },
            "causal" => inputs with { Options = new() { Causal = CausalAlignment.TopLeft } },
            "window" => inputs with
            {
                Options = new()
                {
                    Causal = CausalAlignment.Past,
                    PastLength = 3,
                    Window = new(1, 0),
                },
            },
            "mask" => inputs with
            {
                Mask = Bools(true, true, false, false),
                MaskLayout = new(0, 0, 0, 4),
            },
            "short mask" => inputs with
            {
                Mask = Bools(true, true),
                MaskLayout = new(0, 0, 0, 2),
            },
            "bias" => inputs with
            {
                Bias = Real([0.5, 1, double.NegativeInfinity, double.NegativeInfinity]),
                BiasLayout = new(0, 0, 0, 4),
            },
            "short bias" => inputs with { Bias = Real([0.5, 1]), BiasLayout = new(0, 0, 0, 2) },
            _ => inputs,
        });
        problem.Forward();
        problem.Backward([1, -2, 3, 4]);
        return problem;
    }
}
