using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.RotaryEmbedding;

public sealed class RotaryEmbeddingReferenceTests : KernelTest
{
    // Complex products round in another order.
    private const double Tolerance = 1e-14;

    public static TheoryData<int, bool> Layouts => new()
    {
        { 0, false }, { 0, true }, { 6, false }, { 6, true }, { 2, false }, { 2, true },
    };

    [Theory]
    [InlineData(false, new[] { -2.2, -2.4, 2.9, 3.2, 7.0 })]
    [InlineData(true, new[] { -1.0, 2, 3, 4, 7 })]
    public void Forward_OfOneHead_ByHand(bool interleaved, double[] expected)
    {
        // Pair 0 turns by (cos, sin) = (3/5, 4/5): halves (1, 3.5) → (0.6 − 2.8, 0.8 + 2.1);
        // neighbours (1, 2) → (0.6 − 1.6, 0.8 + 1.2). Pair 1 by (cos, sin) = (0, 1) or (1, 0).
        (double c1, double s1) = interleaved ? (1.0, 0.0) : (0.0, 1.0);
        double[] input = interleaved ? [1, 2, 3, 4, 7] : [1, 3.2, 3.5, 2.4, 7];
        TestBuffer output = Output(5);
        Reference.Run(new RotaryEmbeddingForward
        {
            Inputs = new()
            {
                Tables = new()
                {
                    Cosines = Real([9, 9, 0.6, c1]), Sines = Real([9, 9, 0.8, s1]),
                    MaxPositions = 2, RotaryDimension = 4, Interleaved = interleaved,
                },
                PositionOffset = 1,
                Sizes = new(1, 1, 1, 5),
            },
            Input = Real(input),
            Output = output,
        });
        Numbers.Close(expected, output.Values, 1e-15, "output");
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Forward_IsAProductOfComplexNumbers(int rotary, bool interleaved)
    {
        RotaryProblem problem = new(new(2, 3, 4, 8), rotary, interleaved);
        double[] input = Numbers.Normal(1, problem.Count);
        int[] ids = [3, 0, 10, 3, 1, 2, 9, 4];
        TestBuffer output = Output(problem.Count);
        Reference.Run(new RotaryEmbeddingForward
        {
            Inputs = problem.Inputs(this, Ints(ids)), Input = Real(input), Output = output,
        });
        Numbers.Close(problem.Expect(input, (b, s) => ids[(b * 4) + s]), output.Values, Tolerance,
            "output");
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Forward_WithOffset_CountsOn(int rotary, bool interleaved)
    {
        RotaryProblem problem = new(new(2, 2, 5, 6), rotary, interleaved);
        double[] input = Numbers.Normal(2, problem.Count);
        TestBuffer output = Output(problem.Count);
        Reference.Run(new RotaryEmbeddingForward
        {
            Inputs = problem.Inputs(this, default) with { PositionOffset = 6 },
            Input = Real(input),
            Output = output,
        });
        Numbers.Close(problem.Expect(input, (_, s) => 6 + s), output.Values, Tolerance, "output");
    }

    [Fact]
    public void Forward_WithGatheredTables_IsThatWithIds()
    {
        RotaryProblem problem = new(new(2, 2, 3, 4), 0, false);
        TestBuffer input = Real(Numbers.Normal(3, problem.Count));
        TestBuffer byIds = Output(problem.Count), gathered = Output(problem.Count);
        int[] ids = [5, 1, 0, 10, 7, 7];
        RotaryInputs inputs = problem.Inputs(this, Ints(ids));
        Reference.Run(
            new RotaryEmbeddingForward { Inputs = inputs, Input = input, Output = byIds });
        double[] Gather(Func<double, double> f) =>
            [.. ids.SelectMany(id => new[] { f(problem.Angle(id, 0)), f(problem.Angle(id, 1)) })];
        Reference.Run(new RotaryEmbeddingForward
        {
            Inputs = inputs with
            {
                Tables = new() { Cosines = Real(Gather(Math.Cos)), Sines = Real(Gather(Math.Sin)) },
                PositionIds = default,
            },
            Input = input,
            Output = gathered,
        });
        Numbers.Same(byIds.Values, gathered.Values, "gathered");
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Scores_DependOnTheDistanceAlone(int rotary, bool interleaved)
    {
        // What rotary embeddings are for: (R_m q)·(R_n k) is a function of m − n.
        RotaryProblem problem = new(new(1, 2, 1, 8), rotary, interleaved);
        TestBuffer input = Real(Numbers.Normal(4, problem.Count));
        double Score(int first, int second)
        {
            TestBuffer output = Output(16);
            RotarySizes one = new(2, 1, 1, 8); // the two heads as sequences of their own
            Reference.Run(new RotaryEmbeddingForward
            {
                Inputs = problem.Inputs(this, Ints(first, second)) with { Sizes = one },
                Input = input,
                Output = output,
            });
            return Numbers.Dot(output.Values[..8], output.Values[8..]);
        }

        // Angles up to 10 are rounded by up to 9e-16, sines, products and sums of 8 terms by about
        // as much, times |q|·|k| below 30.
        Assert.Equal(Score(2, 0), Score(10, 8), 1e-13);
        Assert.Equal(Score(0, 5), Score(4, 9), 1e-13);
        Assert.True(Math.Abs(Score(2, 0) - Score(0, 2)) > 1e-3);
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Backward_IsTheGradient(int rotary, bool interleaved)
    {
        RotaryProblem problem = new(new(2, 2, 3, 7), rotary == 0 ? 4 : rotary, interleaved);
        RotaryInputs inputs = problem.Inputs(this, Ints(3, 0, 10, 3, 1, 2));
        TestBuffer input = Real(Numbers.Normal(5, problem.Count));
        TestBuffer output = Output(problem.Count), gradient = Output(problem.Count);
        double[] weights = Numbers.Normal(6, problem.Count);
        Reference.Run(new RotaryEmbeddingBackward
        {
            Inputs = inputs, OutputGradient = Real(weights), InputGradient = gradient,
        });
        CentralDifference.Check("inputGradient", input, gradient.Values, () =>
        {
            Reference.Run(
                new RotaryEmbeddingForward { Inputs = inputs, Input = input, Output = output });
            return Numbers.Dot(weights, output.Values);
        });
    }

    [Fact]
    public void Backward_InPlace_UndoesForward()
    {
        RotaryProblem problem = new(new(1, 2, 4, 6), 0, true);
        RotaryInputs inputs = problem.Inputs(this, default);
        double[] values = Numbers.Normal(7, problem.Count);
        TestBuffer buffer = Real(values);
        Reference.Run(
            new RotaryEmbeddingForward { Inputs = inputs, Input = buffer, Output = buffer });
        Assert.NotEqual(values, buffer.Values);
        Reference.Run(new RotaryEmbeddingBackward
        {
            Inputs = inputs, OutputGradient = buffer, InputGradient = buffer,
        });
        Numbers.Close(values, buffer.Values, Tolerance, "there and back");
    }
}
