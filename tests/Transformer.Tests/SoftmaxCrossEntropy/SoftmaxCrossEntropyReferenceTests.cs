using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.SoftmaxCrossEntropy;

public class SoftmaxCrossEntropyReferenceTests : KernelTest
{
    /// <summary>Exponentials, logarithms and sums of 11 numbers: some ulps each.</summary>
    private const double Tolerance = 5e-15;

    private static readonly double LogThree = Math.Log(3);

    [Fact]
    public void ForwardAndBackward_ByHand()
    {
        // e⁰ + e^ln3 = 4: softmax is [1/4, 3/4]. Label 1 costs ln 4 − ln 3; its gradient is
        // [1/4, −1/4]. Row 1 is ignored.
        Problem problem = new(this, rows: 2, classes: 2)
        {
            Logits = Real([0, LogThree, 5, 6]),
            Labels = Ints(1, -1),
            IgnoreIndex = -1,
        };
        problem.Forward();
        Numbers.Close([Math.Log(4) - LogThree, 0], problem.RowLosses.Values, 1e-15, "row losses");
        Numbers.Close([Math.Log(4) - LogThree], problem.Loss.Values, 1e-15, "loss");
        Assert.Equal(Math.Log(4), problem.LogSumExp[0], 15);
        problem.Backward();
        Numbers.Close([0.25, -0.25, 0, 0], problem.LogitsGradient.Values, 1e-15, "gradient");
    }

    [Fact]
    public void Backward_OfSmoothedTargetsThatSoftmaxMeets()
    {
        // ε = 1/2 and two classes: the target of label 1 is [1/4, 3/4], which is the softmax.
        Problem problem = new(this, rows: 1, classes: 2)
        {
            Logits = Real([0, LogThree]),
            Labels = Ints(1),
            Smoothing = 0.5,
        };
        problem.Forward();
        double expected = (0.25 * Math.Log(4)) + (0.75 * (Math.Log(4) - LogThree));
        Numbers.Close([expected], problem.Loss.Values, 1e-15, "loss");
        problem.Backward();
        Assert.All(problem.LogitsGradient.Values, g => Assert.InRange(g, -2e-16, 2e-16));
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "cross_entropy", MemberType = typeof(Fixture))]
    public void ForwardAndBackward_MatchPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        int classes = (int)fixture.Shape("logits")[1];
        int[] targets = fixture.Ints("targets");
        Problem problem = new(this, targets.Length, classes)
        {
            Logits = Real(fixture.Doubles("logits")),
            Labels = Ints(targets),
            IgnoreIndex = -100,
            Smoothing = fixture.Scalar("label_smoothing"),
            Reduction = fixture.Option("reduction") == "sum"
                ? LossReduction.Sum : LossReduction.Mean,
        };
        problem.Forward();
        Require("row_loss", problem.RowLosses);
        Require("loss", problem.Loss);
        problem.Backward();
        Require("d_logits", problem.LogitsGradient);

        void Require(string name, TestBuffer actual) => Numbers.Close(
            fixture.Doubles(name), actual.Values, Tolerance, $"{fixture.Name}/{name}");
    }

    [Theory]
    [InlineData(0.0, LossReduction.Mean, false)]
    [InlineData(0.1, LossReduction.Mean, false)]
    [InlineData(0.3, LossReduction.Sum, false)]
    [InlineData(1.0, LossReduction.Sum, false)]
    [InlineData(0.0, LossReduction.Mean, true)]
    [InlineData(0.1, LossReduction.Mean, true)]
    [InlineData(1.0, LossReduction.Sum, true)]
    public void Backward_MatchesCentralDifferences(
        double smoothing, LossReduction reduction, bool weighted)
    {
        Problem problem = new(this, rows: 4, classes: 5)
        {
            Logits = Real(Numbers.Normal(1, 20)),
            Labels = Ints(4, 2, 0, 2),
            IgnoreIndex = 0,
            Smoothing = smoothing,
            Reduction = reduction,
            LossGradient = Real([-1.5]),
            ClassWeights = weighted ? Real([0.5, 2, 1.5, 0, 3]) : null,
        };
        problem.Forward();
        problem.Backward();
        CentralDifference.Check("logits", problem.Logits, problem.LogitsGradient.Values, () =>
        {
            problem.Forward();
            return -1.5 * problem.Loss[0];
        });
    }

    [Fact]
    public void Weights_MultiplyEveryTermOfTheSmoothedTarget()
    {
        // Softmax [1/4, 3/4], ε = 1/2, weights 2 and 6: the label's half costs 6·ln(4/3)/2, the
        // other, spread over both classes, (2·ln 4 + 6·ln(4/3))/4; the mean divides by 6.
        Problem problem = new(this, rows: 1, classes: 2)
        {
            Logits = Real([0, LogThree]),
            Labels = Ints(1),
            ClassWeights = Real([2, 6]),
            Smoothing = 0.5,
        };
        problem.Forward();
        double one = Math.Log(4), other = Math.Log(4.0 / 3);
        double expected = (3 * other) + (((2 * one) + (6 * other)) / 4);
        Numbers.Close([expected], problem.RowLosses.Values, 1e-15, "row loss");
        Numbers.Close([expected / 6], problem.Loss.Values, 1e-15, "loss");
    }

    [Fact]
    public void RowsThatAllAreIgnored_GiveZero()
    {
        Problem problem = new(this, rows: 2, classes: 3)
        {
            Logits = Real(Numbers.Normal(1, 6)),
            Labels = Ints(7, 7),
            IgnoreIndex = 7,
            Smoothing = 0.1,
        };
        problem.Forward();
        problem.Backward();
        Assert.Equal([0.0], problem.Loss.Values);
        Assert.Equal(new double[6], problem.LogitsGradient.Values);
    }

    [Fact]
    public void Forward_OfHugeLogitsStaysFinite()
    {
        Problem problem = new(this, rows: 1, classes: 3)
        {
            Logits = Real([1e300, -1e300, double.NegativeInfinity]),
            Labels = Ints(0),
        };
        problem.Forward();
        Assert.Equal([0.0], problem.Loss.Values);
        problem.Backward();
        Assert.Equal([0.0, 0, 0], problem.LogitsGradient.Values);
    }

    [Fact]
    public void Backward_InPlace()
    {
        Problem problem = new(this, rows: 2, classes: 3)
        {
            Logits = Real(Numbers.Normal(1, 6)),
            Labels = Ints(0, 2),
        };
        problem.Forward();
        problem.Backward();
        double[] expected = problem.LogitsGradient.Values;
        problem.Backward(problem.Logits);
        Assert.Equal(expected, problem.Logits.Values);
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        SoftmaxCrossEntropyForward call = new()
        {
            Logits = Real(new double[6]),
            Labels = Ints(0, 2),
            LogSumExp = Output(2),
            Loss = Output(1),
            Rows = 2,
            Classes = 3,
        };
        Rejects(call with { Labels = Ints(0, 3) },
            "SoftmaxCrossEntropy: 'labels[1]' is 3; expected 0 to 2. Pass labels of these " +
            "classes or set 'IgnoreIndex'.");
        Rejects(call with { Labels = Ints(-100, 0), IgnoreIndex = -1 },
            "SoftmaxCrossEntropy: 'labels[0]' is -100; expected 0 to 2 or the ignored -1. Pass " +
            "labels of these classes or set 'IgnoreIndex'.");
        Rejects(call with { LabelSmoothing = 1.5 },
            "SoftmaxCrossEntropy: 'LabelSmoothing' is 1.5; expected a number from 0 to 1. " +
            "Check how it was computed, or leave it out for the default.");
        Rejects(call with { Classes = 2 },
            "SoftmaxCrossEntropy: 'logits' has 6 elements; expected 4 for shape [2, 2]. Pass a " +
            "buffer of that size.");
        Rejects(call with { Labels = Longs(0, 1) },
            "SoftmaxCrossEntropy: 'labels' is Int64; expected Int32. Convert it first.");
        SoftmaxCrossEntropyBackward backward = new()
        {
            Logits = call.Logits,
            Labels = Ints(0, 9),
            LogSumExp = Real(new double[2]),
            LogitsGradient = Output(6),
            Rows = 2,
            Classes = 3,
        };
        Rejects(backward,
            "SoftmaxCrossEntropy: 'labels[1]' is 9; expected 0 to 2. Pass labels of these " +
            "classes or set 'IgnoreIndex'.");
    }

    private sealed class Problem(KernelTest test, int rows, int classes)
    {
        public required TestBuffer Logits { get; init; }

        public required TestBuffer Labels { get; init; }

        public TestBuffer? ClassWeights { get; init; }

        public TestBuffer? LossGradient { get; init; }

        public int? IgnoreIndex { get; init; }

        public double Smoothing { get; init; }

        public LossReduction Reduction { get; init; }

        public TestBuffer RowLosses { get; } = test.Output(rows);

        public TestBuffer LogSumExp { get; } = test.Output(rows);

        public TestBuffer Loss { get; } = test.Output(1);

        public TestBuffer LogitsGradient { get; } = test.Output((long)rows * classes);

        public void Forward() => Reference.Run(new SoftmaxCrossEntropyForward
        {
            Logits = Logits,
            Labels = Labels,
            ClassWeights = ClassWeights,
            RowLosses = RowLosses,
            LogSumExp = LogSumExp,
            Loss = Loss,
            Rows = rows,
            Classes = classes,
            LabelSmoothing = Smoothing,
            IgnoreIndex = IgnoreIndex,
            Reduction = Reduction,
        });

        public void Backward(TestBuffer? inPlace = null) =>
            Reference.Run(new SoftmaxCrossEntropyBackward
            {
                Logits = Logits,
                Labels = Labels,
                ClassWeights = ClassWeights,
                LogSumExp = LogSumExp,
                LossGradient = LossGradient,
                LogitsGradient = inPlace ?? LogitsGradient,
                Rows = rows,
                Classes = classes,
                LabelSmoothing = Smoothing,
                IgnoreIndex = IgnoreIndex,
                Reduction = Reduction,
            });
    }
}
