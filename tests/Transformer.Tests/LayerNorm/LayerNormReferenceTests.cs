using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.LayerNorm;

public class LayerNormReferenceTests : KernelTest
{
    /// <summary>Sums of 11 numbers in another order than PyTorch's: some ten ulps.</summary>
    private const double Tolerance = 3e-15;

    /// <summary>With a mean of 1000 the differences from it lose three digits in both.</summary>
    private const double LargeMeanTolerance = 1e-12;

    [Fact]
    public void Forward_ByHand()
    {
        // 3, −1, −1, −1 has mean 0 and variance 12/4 = 3; with ε = 1 the inverse deviation is
        // 1/√4, so x̂ = 1.5, −0.5, −0.5, −0.5.
        TestBuffer output = Output(4);
        TestBuffer mean = Output(1);
        TestBuffer inverseStd = Output(1);
        TestBuffer sum = Output(4);
        Reference.Run(new LayerNormForward
        {
            Input = Real([1, 1, 1, 1]),
            Residual = Real([2, -2, -2, -2]),
            Weight = Real([1, 2, 3, 4]),
            Bias = Real([0, 1, 0, 1]),
            Sum = sum,
            Output = output,
            Mean = mean,
            InverseStd = inverseStd,
            Rows = 1,
            Width = 4,
            Epsilon = 1,
        });
        Assert.Equal([3.0, -1, -1, -1], sum.Values);
        Assert.Equal([1.5, 0, -1.5, -1], output.Values);
        Assert.Equal([0.0], mean.Values);
        Assert.Equal([0.5], inverseStd.Values);
    }

    [Fact]
    public void Backward_ByHand()
    {
        // x̂ = 1.5, −0.5, −0.5, −0.5; g = 1, 0, 0, 0; avg(g) = 0.25; avg(g ⊙ x̂) = 0.375;
        // 0.5·(1 − 0.25 − 1.5·0.375) = 0.09375 and 0.5·(0 − 0.25 + 0.5·0.375) = −0.03125.
        TestBuffer gradient = Output(4);
        TestBuffer weight = Real([10, 10, 10, 10]);
        TestBuffer bias = Real([20, 20, 20, 20]);
        Reference.Run(new LayerNormBackward
        {
            Sum = Real([3, -1, -1, -1]),
            Mean = Real([0]),
            InverseStd = Real([0.5]),
            OutputGradient = Real([1, 0, 0, 0]),
            SumGradient = Real([0, 0, 0, 7]),
            InputGradient = gradient,
            WeightGradient = weight,
            BiasGradient = bias,
            Rows = 1,
            Width = 4,
        });
        Assert.Equal([0.09375, -0.03125, -0.03125, 6.96875], gradient.Values);
        Assert.Equal([11.5, 10, 10, 10], weight.Values);
        Assert.Equal([21.0, 20, 20, 20], bias.Values);
    }

    [Fact]
    public void Forward_InPlace()
    {
        LayerNormForward call = new()
        {
            Input = Real(Numbers.Normal(1, 6)),
            Residual = Real(Numbers.Normal(2, 6)),
            Output = Output(6),
            Rows = 2,
            Width = 3,
        };
        Reference.Run(call);
        double[] expected = call.Output.AsSpan<double>().ToArray();
        TestBuffer residual = Real(call.Residual.AsSpan<double>().ToArray());
        Reference.Run(call with { Residual = residual, Sum = residual });
        Assert.Equal(expected, call.Output.AsSpan<double>().ToArray());
        Reference.Run(call with { Output = call.Input });
        Assert.Equal(expected, call.Input.AsSpan<double>().ToArray());
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "layer_norm", MemberType = typeof(Fixture))]
    public void ForwardAndBackward_MatchPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        double[] x = fixture.Doubles("x");
        int width = (int)fixture.Shape("x")[^1];
        int rows = x.Length / width;
        LayerNormProblem problem = new(this, rows, width)
        {
            Input = Real(x),
            Residual = Optional("residual"),
            Weight = Optional("weight"),
            Bias = Optional("bias"),
        };
        problem.Forward();
        Require("y", problem.Output);
        Require("mean", problem.Mean);
        Require("inverse_deviation", problem.InverseStd);

        problem.Backward(fixture.Doubles("d_y"));
        Require("d_x", problem.InputGradient);
        if (fixture.Has("d_residual")) Require("d_residual", problem.InputGradient);
        if (fixture.Has("d_weight")) Require("d_weight", problem.WeightGradient);
        if (fixture.Has("d_bias")) Require("d_bias", problem.BiasGradient);

        TestBuffer? Optional(string name) =>
            fixture.Has(name) ? Real(fixture.Doubles(name)) : null;

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values,
            @case == "large_mean" ? LargeMeanTolerance : Tolerance, $"{fixture.Name}/{name}");
    }

    [Theory]
    [InlineData(false, false, null)]
    [InlineData(true, false, 0.0)]
    [InlineData(true, true, 0.5)]
    public void Backward_MatchesCentralDifferences(bool affine, bool residual, double? epsilon)
    {
        const int Rows = 3;
        const int Width = 5;
        LayerNormProblem problem = new(this, Rows, Width)
        {
            Input = Real(Numbers.Normal(1, Rows * Width)),
            Residual = residual ? Real(Numbers.Normal(2, Rows * Width)) : null,
            Weight = affine ? Real(Numbers.Normal(3, Width)) : null,
            Bias = affine ? Real(Numbers.Normal(4, Width)) : null,
            Epsilon = epsilon,
        };
        double[] weights = Numbers.Normal(5, Rows * Width);
        double[] sumWeights = Numbers.Normal(6, Rows * Width);
        problem.Forward();
        problem.Backward(weights, Real(sumWeights));
        double Loss()
        {
            problem.Forward();
            return Numbers.Dot(weights, problem.Output.Values) +
                Numbers.Dot(sumWeights, problem.Sum.Values);
        }

        double[] inputGradient = problem.InputGradient.Values;
        CentralDifference.Check("input", problem.Input, inputGradient, Loss);
        if (problem.Residual is { } r) CentralDifference.Check("residual", r, inputGradient, Loss);
        if (!affine) return;
        CentralDifference.Check("weight", problem.Weight!, problem.WeightGradient.Values, Loss);
        CentralDifference.Check("bias", problem.Bias!, problem.BiasGradient.Values, Loss);
    }

    [Fact]
    public void Forward_OfALargeMeanKeepsItsDigits()
    {
        // Neighbouring integers around 1e8: the deviations ±1 are exact.
        TestBuffer output = Output(2);
        Reference.Run(new LayerNormForward
        {
            Input = Real([1e8 - 1, 1e8 + 1]),
            Output = output,
            Rows = 1,
            Width = 2,
        });
        double expected = 1 / Math.Sqrt(1 + 1e-5);
        Assert.Equal([-expected, expected], output.Values);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        LayerNormForward call = new()
        {
            Input = Real(new double[6]),
            Output = Output(6),
            Rows = 2,
            Width = 3,
        };
        Rejects(call with { Weight = Real(new double[2]) },
            "LayerNorm: 'weight' has 2 elements; expected 3 for shape [3] to match input [2, 3]. " +
            "Pass a buffer of that size.");
        Rejects(call with { Width = 0 },
            "LayerNorm: 'Width' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { Epsilon = -1 },
            "LayerNorm: 'Epsilon' is -1; expected a number from 0 to 1. Check how it was " +
            "computed, or leave it out for the default.");
        Rejects(call with { Residual = Real(new double[5]) },
            "LayerNorm: 'residual' has 5 elements; expected 6 for shape [2, 3]. Pass a buffer of " +
            "that size.");
        Rejects(call with { Residual = call.Output },
            "LayerNorm: 'output' overlaps 'residual'. Pass separate buffers.");
        LayerNormBackward backward = new()
        {
            Sum = call.Input,
            Mean = Real(new double[2]),
            InverseStd = Real(new double[3]),
            OutputGradient = Real(new double[6]),
            InputGradient = Output(6),
            Rows = 2,
            Width = 3,
        };
        Rejects(backward,
            "LayerNorm: 'inverseStd' has 3 elements; expected 2 for shape [2]. Pass a buffer of " +
            "that size.");
    }

    /// <summary>Squares beyond the range of binary32, either end.</summary>
    [Theory]
    [InlineData(1e30f, null)]
    [InlineData(3e19f, null)]
    [InlineData(1e-21f, 1e-60)]
    [InlineData(1e-25f, 1e-60)]
    public unsafe void Simd_OfHugeAndTinyElements_AgreesWithTheReference(
        float size, double? epsilon)
    {
        const int width = 37;
        float[] x = [.. Enumerable.Range(1, 2 * width).Select(i => size * MathF.Sin(i))];
        float[][] outputs = [new float[x.Length], new float[x.Length]];
        Backend[] backends = [Reference, BackendRegistry.Cpu];
        for (int i = 0; i < 2; i++)
        {
            fixed (float* input = x, output = outputs[i])
            {
                backends[i].Run(new LayerNormForward
                {
                    Input = BufferView.Of(input, x.Length),
                    Output = BufferView.Of(output, x.Length), Rows = 2, Width = width,
                    Epsilon = epsilon,
                });
            }
        }

        // A scale of 24 bits, a difference and a product rounded once each; near the mean the
        // difference keeps the error of numbers of the size of the deviation, which is 1 here.
        for (int i = 0; i < x.Length; i++)
            Assert.Equal(outputs[0][i], outputs[1][i], (1 + MathF.Abs(outputs[0][i])) * 3e-7f);
        Assert.Contains(outputs[0], value => MathF.Abs(value) > 1);
    }
}
