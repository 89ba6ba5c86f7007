using Transformer.Ops;
using Transformer.Tests.Support;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention;

/// <summary>Every gradient of attention with packed and paged sequences, block masks, position
/// terms, sinks, dropout and score modifiers against central differences.</summary>
public class FusedAttentionExtrasGradientTests : KernelTest
{
    private static readonly AttentionOptions BottomRight =
        new() { Causal = CausalAlignment.BottomRight };

    private readonly Dictionary<string, TestBuffer> variables = [];

    public static TheoryData<string> Names =>
    [
        "packed", "packed queries", "packed keys", "paged", "packed queries, paged", "block mask",
        "block mask of each head", "ALiBi", "relative, both ways", "relative, causal", "sinks",
        "sinks, one −∞", "dropout", "everything but a modifier", "everything, paged",
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Backward_MatchesCentralDifferences(string name) =>
        Check(Build(name), CentralDifference.Check);

    // Modifiers compute in binary32, so that each score and with it the loss is off by some
    // 2⁻²⁴ = 6e-8: with h = 1/16 that is 1.5·6e-8/h = 1.5e-6 a score in the difference, and the
    // formula's own error is h⁴/30 = 5e-7 times the fifth derivative (of order 10 here, for terms
    // of order 1 with tanh in them). 1e-4 of the largest gradient leaves room for sums of a dozen
    // such terms; a missing or wrong derivative is an error of order 1.
    [Theory]
    [InlineData("modifier that changes scores")]
    [InlineData("modifier that hides keys")]
    [InlineData("modifier after a soft cap")]
    [InlineData("everything")]
    public void BackwardWithModifier_MatchesCentralDifferences(string name) =>
        Check(Build(name), (argument, variable, gradient, loss) => CentralDifference.Check(
            argument, variable, gradient, loss, step: 1.0 / 16, tolerance: 1e-4, smallest: 1));

    [Fact]
    public void Backward_AddsToTableAndSinkGradients()
    {
        AttentionProblem problem = new(this, Build("everything but a modifier"));
        double[] weights = Numbers.Normal(40, problem.Output.Length);
        problem.Forward();
        problem.Backward(weights);
        double[] relative = problem.RelativeBiasGradient.Values;
        double[] sinks = problem.SinkGradient.Values;
        problem.Backward(weights);
        Numbers.Close([.. relative.Select(g => 2 * g)], problem.RelativeBiasGradient.Values,
            1e-15, "relative bias");
        Numbers.Close([.. sinks.Select(g => 2 * g)], problem.SinkGradient.Values, 1e-15, "sinks");
    }

    private void Check(
        AttentionInputs inputs, Action<string, TestBuffer, double[], Func<double>> check)
    {
        AttentionProblem problem = new(this, inputs);
        double[] weights = Numbers.Normal(40, problem.Output.Length);
        problem.Forward();
        problem.Backward(weights);
        double Loss()
        {
            problem.Forward();
            return Numbers.Dot(weights, problem.Output.Values);
        }

        foreach ((string name, TestBuffer variable) in variables)
        {
            TestBuffer gradient = name switch
            {
                "query" => problem.QueryGradient,
                "key" => problem.KeyGradient,
                "value" => problem.ValueGradient,
                "bias" => problem.BiasGradient,
                "relative bias" => problem.RelativeBiasGradient,
                _ => problem.SinkGradient,
            };
            check(name, variable, gradient.Values, Loss);
        }
    }

    private AttentionInputs Build(string name) => name switch
    {
        "packed" => Packed(queries: true, keys: true),
        "packed queries" => Packed(queries: true, keys: false),
        "packed keys" => Packed(queries: false, keys: true),
        "paged" => Paged(packed: false),
        "packed queries, paged" => Paged(packed: true),
        "block mask" => Padded() with
        {
            // [⌈3 / 2⌉, ⌈5 / 3⌉]: the last query sees keys 3 and 4 alone.
            BlockMask = Bools(true, false, false, true), BlockSize = new(2, 3, false),
        },
        "block mask of each head" => Padded() with
        {
            BlockMask = Bools(true, false, true, true, false, true, true, true,
                false, false, true, false, true, true, false, true),
            BlockSize = new(2, 3, true),
        },
        "ALiBi" => WithSlopes(Padded()),
        "relative, both ways" => WithTable(Padded(), new(4, 3, true)),
        "relative, causal" => WithTable(Padded(BottomRight), new(3, 3, false)),
        "sinks" => WithSinks(Padded(), -0.4, 1.2, 0.3, 2),
        "sinks, one −∞" => WithSinks(Padded(BottomRight), -0.4, double.NegativeInfinity, 1, 0),
        "dropout" => WithDropout(Padded()),
        "modifier that changes scores" => Padded() with { Score = CaseScores.Decay },
        "modifier that hides keys" => Padded() with
        {
            Score = ScoreModifier.OfDifferentiable(new DocumentMask(2)),
        },
        "modifier after a soft cap" =>
            Padded(new() { SoftCap = 1.5 }) with { Score = CaseScores.Decay },
        "everything" => Everything(Padded(BottomRight)) with { Score = CaseScores.Decay },
        "everything, paged" => Everything(Paged(packed: true)),
        _ => Everything(Packed(queries: true, keys: true)),
    };

    private AttentionInputs Padded(AttentionOptions options = default)
    {
        AttentionSizes s = new(2, 4, 2, 3, 5, 3, 2);
        return Values(new() { Sizes = s, Options = options }, 2 * 3, 2 * 5);
    }

    /// <summary>Sequences of 3, 0 and 2 queries, of 2, 4 and 3 keys.</summary>
    private AttentionInputs Packed(bool queries, bool keys) => Values(
        new()
        {
            Sizes = new(3, 4, 2, 3, 4, 3, 2),
            Options = BottomRight,
            QueryOffsets = queries ? Ints(0, 3, 3, 5) : null,
            TotalQueries = queries ? 5 : 0,
            KeyOffsets = keys ? Ints(0, 2, 6, 9) : null,
            TotalKeys = keys ? 9 : 0,
        }, queries ? 5 : 9, keys ? 9 : 12);

    /// <summary>Two sequences of 16 and 32 keys in full pages of 16, out of order.</summary>
    private AttentionInputs Paged(bool packed) => Values(
        new()
        {
            Sizes = new(2, 2, 1, 2, 32, 2, 2),
            Options = BottomRight,
            KeyLengths = Ints(16, 32),
            BlockTable = Ints(1, -1, 2, 0),
            PageSize = 16,
            PageCount = 3,
            QueryOffsets = packed ? Ints(0, 2, 3) : null,
            TotalQueries = packed ? 3 : 0,
        }, packed ? 3 : 4, 3 * 16);

    private AttentionInputs Everything(AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        variables["bias"] = Real(Numbers.Normal(5, s.QueryHeads * s.KeyLength));
        inputs = inputs with
        {
            Bias = variables["bias"],
            BiasLayout = new(0, s.KeyLength, 0, s.KeyLength),
            Mask = Bools([.. Enumerable.Range(0, s.KeyLength).Select(j => j != 1)]),
            MaskLayout = new(0, 0, 0, s.KeyLength),
            Options = inputs.Options with { SoftCap = 2, Window = new(3, 0) },
        };
        double[] sinks = [.. Enumerable.Range(0, s.QueryHeads).Select(h => 0.3 * h)];
        return WithDropout(
            WithSinks(WithTable(WithSlopes(inputs), new(4, 3, true)), sinks));
    }

    private AttentionInputs Values(AttentionInputs inputs, int queryRows, int keyRows)
    {
        AttentionSizes s = inputs.Sizes;
        int queries = queryRows * s.QueryHeads, keys = keyRows * s.KeyValueHeads;
        variables["query"] = Real(Numbers.Normal(1, queries * s.HeadDimension));
        variables["key"] = Real(Numbers.Normal(2, keys * s.HeadDimension));
        variables["value"] = Real(Numbers.Normal(3, keys * s.ValueDimension));
        return inputs with
        {
            Query = variables["query"], Key = variables["key"], Value = variables["value"],
        };
    }

    private AttentionInputs WithSlopes(AttentionInputs inputs) => inputs with
    {
        AlibiSlopes = Real([.. Enumerable.Range(1, inputs.Sizes.QueryHeads).Select(h => 0.2 * h)]),
    };

    private AttentionInputs WithTable(AttentionInputs inputs, RelativePositionBuckets buckets)
    {
        variables["relative bias"] =
            Real(Numbers.Normal(6, buckets.Count * inputs.Sizes.QueryHeads));
        return inputs with
        {
            RelativeBias = variables["relative bias"],
            Options = inputs.Options with { RelativeBuckets = buckets },
        };
    }

    private AttentionInputs WithSinks(AttentionInputs inputs, params double[] sinks)
    {
        variables["sinks"] = Real(sinks);
        return inputs with { Sinks = variables["sinks"] };
    }

    private AttentionInputs WithDropout(AttentionInputs inputs) => inputs with
    {
        RandomState = Longs(11, 3),
        Options = inputs.Options with { DropoutProbability = 0.3, DropoutStream = 5 },
    };
}
