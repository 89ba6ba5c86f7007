using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Every gradient of attention under every option against central differences.</summary>
public class FusedAttentionGradientTests : KernelTest
{
    public static TheoryData<string> Options =>
    [
        "plain", "scale", "soft cap", "top-left", "bottom-right", "bottom-right, tall", "past",
        "window", "window and causal", "lengths", "lengths and bottom-right", "mask",
        "bias, broadcast", "bias, full", "bias, short and hiding", "grouped", "everything",
    ];

    [Theory]
    [MemberData(nameof(Options))]
    public void Backward_MatchesCentralDifferences(string option)
    {
        AttentionProblem problem = new(this, Build(option));
        double[] weights = Numbers.Normal(40, problem.Output.Length);
        problem.Forward();
        problem.Backward(weights);
        double Loss()
        {
            problem.Forward();
            return Numbers.Dot(weights, problem.Output.Values);
        }

        CentralDifference.Check("query", query, problem.QueryGradient.Values, Loss);
        CentralDifference.Check("key", key, problem.KeyGradient.Values, Loss);
        CentralDifference.Check("value", value, problem.ValueGradient.Values, Loss);
        if (bias is null) return;
        CentralDifference.Check("bias", bias, problem.BiasGradient.Values, Loss);
    }

    [Fact]
    public void Backward_AddsToTheBiasGradientAndOverwritesTheOthers()
    {
        AttentionProblem problem = new(this, Build("bias, broadcast"));
        double[] weights = Numbers.Normal(40, problem.Output.Length);
        problem.Forward();
        problem.Backward(weights);
        double[] once = problem.BiasGradient.Values;
        double[] query = problem.QueryGradient.Values;
        problem.Backward(weights);
        Numbers.Close([.. once.Select(g => 2 * g)], problem.BiasGradient.Values, 1e-15, "bias");
        Numbers.Same(query, problem.QueryGradient.Values, "query");
    }

    private TestBuffer query = null!;
    private TestBuffer key = null!;
    private TestBuffer value = null!;
    private TestBuffer? bias;

    private AttentionInputs Build(string option)
    {
        AttentionSizes sizes = option switch
        {
            "bottom-right, tall" => new(1, 2, 2, 5, 3, 3, 2),
            "grouped" or "everything" => new(2, 4, 2, 3, 4, 3, 2),
            _ => new(2, 2, 2, 3, 4, 3, 2),
        };
        query = Real(Numbers.Normal(1, sizes.Batch * sizes.QueryHeads * sizes.QueryLength * 3));
        key = Real(Numbers.Normal(2, sizes.Batch * sizes.KeyValueHeads * sizes.KeyLength * 3));
        value = Real(Numbers.Normal(3, sizes.Batch * sizes.KeyValueHeads * sizes.KeyLength * 2));
        AttentionInputs inputs = new()
        {
            Query = query,
            Key = key,
            Value = value,
            Sizes = sizes,
            Options = OptionsOf(option),
        };
        return option switch
        {
            "lengths" => inputs with { KeyLengths = Ints(0, 3) },
            "lengths and bottom-right" => inputs with { KeyLengths = Ints(4, 2) },
            "mask" => WithMask(inputs),
            "bias, broadcast" => WithBias(inputs, Numbers.Normal(5, 8), new(0, 4, 0, 4)),
            "bias, full" => WithBias(inputs, Numbers.Normal(5, 48), new(24, 12, 4, 4)),
            "bias, short and hiding" => WithBias(
                inputs, [0.3, double.NegativeInfinity, -0.4], new(0, 0, 0, 3)),
            "everything" => WithBias(WithMask(inputs), Numbers.Normal(5, 24), new(12, 0, 4, 4))
                with { KeyLengths = Ints(4, 3) },
            _ => inputs,
        };
    }

    private static AttentionOptions OptionsOf(string option) => option switch
    {
        "scale" => new() { Scale = 1.3 },
        "soft cap" => new() { SoftCap = 1.5 },
        "top-left" => new() { Causal = CausalAlignment.TopLeft },
        "bottom-right" or "bottom-right, tall" or "lengths and bottom-right" =>
            new() { Causal = CausalAlignment.BottomRight },
        "past" => new() { Causal = CausalAlignment.Past, PastLength = 1 },
        "window" => new() { Window = new(1, 1) },
        "window and causal" =>
            new() { Causal = CausalAlignment.BottomRight, Window = new(1, 0) },
        "everything" => new()
        {
            Scale = 0.8,
            SoftCap = 2,
            Causal = CausalAlignment.BottomRight,
            Window = new(2, 0),
        },
        _ => default,
    };

    private AttentionInputs WithMask(AttentionInputs inputs)
    {
        // [Sq, Skv]; the second query sees nothing.
        TestBuffer mask = Bools(
            true, false, true, true, false, false, false, false, true, true, true, false);
        return inputs with { Mask = mask, MaskLayout = new(0, 0, 4, 4) };
    }

    private AttentionInputs WithBias(
        AttentionInputs inputs, double[] values, AttentionMaskLayout layout)
    {
        bias = Real(values);
        return inputs with { Bias = bias, BiasLayout = layout };
    }
}
