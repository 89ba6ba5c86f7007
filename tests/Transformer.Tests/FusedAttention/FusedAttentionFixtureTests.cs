using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

public class FusedAttentionFixtureTests : KernelTest
{
    /// <summary>Sums of at most six products and exponentials of scores of a few units: some ten
    /// ulps of the largest element.</summary>
    private const double Tolerance = 1e-14;

    /// <summary>Scores up to 1e4: their last digit is worth 1e-12 in every exponential.</summary>
    private const double LargeLogitsTolerance = 4e-12;

    [Theory]
    [MemberData(nameof(Fixture.Cases), "attention_*", MemberType = typeof(Fixture))]
    public void ForwardAndBackward_MatchPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        AttentionSizes sizes = Sizes(fixture);
        double tolerance = @case == "large_logits" ? LargeLogitsTolerance : Tolerance;
        AttentionProblem problem = new(this, Inputs(fixture, sizes));
        if (fixture.Has("raw")) Require("raw", problem.Scores(ScoreOutput.Raw));
        if (fixture.Has("capped")) Require("capped", problem.Scores(ScoreOutput.Capped));
        Require("masked", problem.Scores(ScoreOutput.Masked));
        Require("probabilities", problem.Scores(ScoreOutput.Probabilities));
        problem.Forward();
        Require("o", problem.Output.Values);
        Require("lse", problem.LogSumExp.Values);

        problem.Backward(fixture.Doubles("d_o"));
        Require("d_q", problem.QueryGradient.Values);
        Require("d_k", problem.KeyGradient.Values);
        Require("d_v", problem.ValueGradient.Values);
        if (fixture.Has("d_bias")) RequireBiasGradient(fixture, problem, sizes);
        if (fixture.Has("d_sinks")) Require("d_sinks", problem.SinkGradient.Values);
        if (!fixture.Has("d_relative_bias")) return;
        Require("d_relative_bias", problem.RelativeBiasGradient.Values);

        void Require(string name, double[] actual) =>
            Numbers.Close(fixture.Doubles(name), actual, tolerance, $"{fixture.Name}/{name}");
    }

    private static void RequireBiasGradient(
        Fixture fixture, AttentionProblem problem, AttentionSizes sizes)
    {
        double[] actual = problem.BiasGradient.Values;
        if (fixture.Shape("bias")[^1] == 1)
        {
            // The bias was repeated along the keys; a constant added to a row changes no weight,
            // so that the sum is 0 up to rounding in both.
            double[] sums = [.. actual.Chunk(sizes.KeyLength).Select(row => row.Sum())];
            Assert.All(sums, sum => Assert.InRange(sum, -1e-14, 1e-14));
            Assert.All(fixture.Doubles("d_bias"), g => Assert.InRange(g, -1e-14, 1e-14));
            return;
        }

        Numbers.Close(fixture.Doubles("d_bias"), actual, Tolerance, fixture.Name + "/d_bias");
    }

    private static AttentionSizes Sizes(Fixture fixture)
    {
        long[] q = fixture.Shape("q");
        long[] k = fixture.Shape("k");
        return new((int)q[0], (int)q[1], (int)k[1], (int)q[2], (int)k[2], (int)q[3],
            (int)fixture.Shape("v")[3]);
    }

    private AttentionInputs Inputs(Fixture fixture, AttentionSizes sizes)
    {
        AttentionInputs inputs = new()
        {
            Query = Real(fixture.Doubles("q")),
            Key = Real(fixture.Doubles("k")),
            Value = Real(fixture.Doubles("v")),
            KeyLengths = fixture.Has("key_lengths") ? Ints(fixture.Ints("key_lengths")) : null,
            Sizes = sizes,
            Options = new()
            {
                Scale = fixture.Has("scale") ? fixture.Scalar("scale") : 0,
                SoftCap = fixture.Has("soft_cap") ? fixture.Scalar("soft_cap") : 0,
                Causal = fixture.Option("causal") switch
                {
                    "top_left" => CausalAlignment.TopLeft,
                    "bottom_right" => CausalAlignment.BottomRight,
                    null => CausalAlignment.None,
                    string other => throw new NotSupportedException(other),
                },
            },
        };
        if (fixture.Has("mask"))
        {
            inputs = inputs with
            {
                Mask = Bools(fixture.Bools("mask")),
                MaskLayout = AttentionMaskLayout.FromShape(new(fixture.Shape("mask")), sizes),
            };
        }

        inputs = WithTerms(inputs, fixture);
        return fixture.Has("bias") ? WithBias(inputs, fixture, sizes) : inputs;
    }

    private AttentionInputs WithTerms(AttentionInputs inputs, Fixture fixture)
    {
        int[]? window = fixture.Has("window") ? fixture.Ints("window") : null;
        int[]? buckets = fixture.Has("buckets") ? fixture.Ints("buckets") : null;
        return inputs with
        {
            AlibiSlopes =
                fixture.Has("alibi_slopes") ? Real(fixture.Doubles("alibi_slopes")) : null,
            Sinks = fixture.Has("sinks") ? Real(fixture.Doubles("sinks")) : null,
            RelativeBias =
                fixture.Has("relative_bias") ? Real(fixture.Doubles("relative_bias")) : null,
            Options = inputs.Options with
            {
                Window = window is null ? null : new(window[0], window[1]),
                RelativeBuckets =
                    buckets is null ? null : new(buckets[0], buckets[1], buckets[2] != 0),
            },
        };
    }

    private AttentionInputs WithBias(
        AttentionInputs inputs, Fixture fixture, AttentionSizes sizes)
    {
        double[] bias = fixture.Doubles("bias");
        long[] shape = fixture.Shape("bias");
        if (shape[^1] == 1)
        {
            // A last axis shorter than Skv hides keys; PyTorch repeats it.
            bias = [.. bias.SelectMany(x => Enumerable.Repeat(x, sizes.KeyLength))];
            shape[^1] = sizes.KeyLength;
        }

        return inputs with
        {
            Bias = Real(bias),
            BiasLayout = AttentionMaskLayout.FromShape(new TensorShape(shape), sizes),
        };
    }
}
