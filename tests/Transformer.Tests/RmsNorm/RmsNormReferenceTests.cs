using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.RmsNorm;

public class RmsNormReferenceTests : KernelTest
{
    /// <summary>Sums of 11 numbers in another order than PyTorch's: some ten ulps.</summary>
    private const double Tolerance = 3e-15;

    [Fact]
    public void ForwardAndBackward_ByHand()
    {
        // The sum 1, 1, 3, 5 has the mean square 36/4 = 9; without ε the factor is 1/3.
        TestBuffer output = Output(4), sum = Output(4), inverse = Output(1);
        Reference.Run(new RmsNormForward
        {
            Input = Real([0, 2, 0, 6]),
            Residual = Real([1, -1, 3, -1]),
            Weight = Real([3, 6, 9, 12]),
            Sum = sum,
            Output = output,
            InverseRms = inverse,
            Rows = 1,
            Width = 4,
            Epsilon = 0,
        });
        Assert.Equal([1.0, 1, 3, 5], sum.Values);
        Numbers.Close([1, 2, 9, 20], output.Values, 1e-15, "output");
        Numbers.Close([1 / 3.0], inverse.Values, 1e-16, "inverse");

        // g = 9, 0, 0, 0 and x̂ = 1/3, …: avg(g ⊙ x̂) = 3/4, so (g − x̂·3/4)/3 is 35/12 for the
        // first and −1/12, −1/4, −5/12 for the others.
        TestBuffer gradient = Output(4), weight = Real([7, 7, 7, 7]);
        Reference.Run(new RmsNormBackward
        {
            Sum = sum,
            Weight = Real([3, 6, 9, 12]),
            InverseRms = inverse,
            OutputGradient = Real([3, 0, 0, 0]),
            SumGradient = Real([0, 0, 0, 1]),
            InputGradient = gradient,
            WeightGradient = weight,
            Rows = 1,
            Width = 4,
        });
        Numbers.Close(
            [35 / 12.0, -1 / 12.0, -0.25, 7 / 12.0], gradient.Values, 1e-15, "gradient");
        Numbers.Close([8, 7, 7, 7], weight.Values, 1e-15, "weight gradient");
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "rms_norm", MemberType = typeof(Fixture))]
    public void ForwardAndBackward_MatchPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        double[] x = fixture.Doubles("x");
        int width = (int)fixture.Shape("x")[^1];
        Problem problem = new(this, x.Length / width, width)
        {
            Input = Real(x),
            Residual = fixture.Has("residual") ? Real(fixture.Doubles("residual")) : null,
            Weight = Real(fixture.Doubles("weight")),
        };
        problem.Forward();
        Require("y", problem.Output);
        problem.Backward(fixture.Doubles("d_y"));
        Require("d_x", problem.InputGradient);
        if (fixture.Has("d_residual")) Require("d_residual", problem.InputGradient);
        Require("d_weight", problem.WeightGradient);

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values, Tolerance, $"{fixture.Name}/{name}");
    }

    [Theory]
    [InlineData(false, false, null)]
    [InlineData(true, false, 0.0)]
    [InlineData(true, true, 0.5)]
    public void Backward_MatchesCentralDifferences(bool weighted, bool residual, double? epsilon)
    {
        Problem problem = new(this, 3, 5)
        {
            Input = Real(Numbers.Normal(1, 15)),
            Residual = residual ? Real(Numbers.Normal(2, 15)) : null,
            Weight = weighted ? Real(Numbers.Normal(3, 5)) : null,
            Epsilon = epsilon,
        };
        double[] weights = Numbers.Normal(5, 15), sumWeights = Numbers.Normal(6, 15);
        problem.Forward();
        problem.Backward(weights, Real(sumWeights));
        double Loss()
        {
            problem.Forward();
            return Numbers.Dot(weights, problem.Output.Values) +
                Numbers.Dot(sumWeights, problem.Sum.Values);
        }

        double[] gradient = problem.InputGradient.Values;
        CentralDifference.Check("input", problem.Input, gradient, Loss);
        if (problem.Residual is { } r) CentralDifference.Check("residual", r, gradient, Loss);
        if (!weighted) return;
        CentralDifference.Check("weight", problem.Weight!, problem.WeightGradient.Values, Loss);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        RmsNormForward call = new()
        {
            Input = Real(new double[6]), Output = Output(6), Rows = 2, Width = 3,
        };
        Rejects(call with { Weight = Real(new double[2]) },
            "RmsNorm: 'weight' has 2 elements; expected 3 for shape [3] to match input [2, 3]. " +
            "Pass a buffer of that size.");
        Rejects(call with { Width = 0 },
            "RmsNorm: 'Width' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(new RmsNormBackward
        {
            Sum = call.Input, InverseRms = Real(new double[3]),
            OutputGradient = Real(new double[6]), InputGradient = Output(6), Rows = 2, Width = 3,
        }, "RmsNorm: 'inverseRms' has 3 elements; expected 2 for shape [2]. Pass a buffer of " +
            "that size.");
    }

    private sealed class Problem(KernelTest test, int rows, int width)
    {
        public required TestBuffer Input { get; init; }

        public TestBuffer? Residual { get; init; }

        public TestBuffer? Weight { get; init; }

        public double? Epsilon { get; init; }

        public TestBuffer Sum { get; } = test.Output((long)rows * width);

        public TestBuffer Output { get; } = test.Output((long)rows * width);

        public TestBuffer InverseRms { get; } = test.Output(rows);

        public TestBuffer InputGradient { get; } = test.Output((long)rows * width);

        public TestBuffer WeightGradient { get; } = test.Zeros(width);

        public void Forward() => Reference.Run(new RmsNormForward
        {
            Input = Input, Residual = Residual, Weight = Weight, Sum = Sum, Output = Output,
            InverseRms = InverseRms, Rows = rows, Width = width, Epsilon = Epsilon,
        });

        public void Backward(double[] outputGradient, TestBuffer? sumGradient = null) =>
            Reference.Run(new RmsNormBackward
            {
                Sum = Sum, Weight = Weight, InverseRms = InverseRms,
                OutputGradient = test.Real(outputGradient), SumGradient = sumGradient,
                InputGradient = InputGradient, WeightGradient = WeightGradient, Rows = rows,
                Width = width,
            });
    }
}
