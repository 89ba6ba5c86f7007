using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

public class FusedAttentionReferenceTests : KernelTest
{
    private static readonly double LogThree = Math.Log(3);

    [Fact]
    public void ForwardAndBackward_ByHand()
    {
        // One query 1, keys 0 and ln 3, scale 1: scores 0 and ln 3, weights 1/4 and 3/4, lse ln 4,
        // output 4/4 + 3·8/4 = 7. With dO = 1: dP = [4, 8], Σ P·dP = 7, dS = [−3/4, 3/4].
        AttentionProblem problem = new(this, TwoKeys());
        problem.Forward();
        Numbers.Close([7], problem.Output.Values, 1e-15, "output");
        Numbers.Close([Math.Log(4)], problem.LogSumExp.Values, 1e-15, "lse");
        problem.Backward([1]);
        Numbers.Close([0.75 * LogThree], problem.QueryGradient.Values, 2e-15, "dQ");
        Numbers.Close([-0.75, 0.75], problem.KeyGradient.Values, 2e-15, "dK");
        Numbers.Close([0.25, 0.75], problem.ValueGradient.Values, 2e-15, "dV");
    }

    [Fact]
    public void ScoreOutputs_ByHand()
    {
        // Soft cap 2: 2·tanh(ln 3 / 2) = 2·(3 − 1)/(3 + 1) = 1; bias [0.5, −1]; the second key
        // is hidden by its length.
        AttentionInputs inputs = TwoKeys() with
        {
            Options = new() { Scale = 1, SoftCap = 2 },
            Bias = Real([0.5, -1]),
            BiasLayout = new(0, 0, 0, 2),
        };
        AttentionProblem open = new(this, inputs);
        Numbers.Close([0, LogThree], open.Scores(ScoreOutput.Raw), 1e-15, "raw");
        Numbers.Close([0, 1], open.Scores(ScoreOutput.Capped), 1e-15, "capped");
        Numbers.Close([0.5, 0], open.Scores(ScoreOutput.Masked), 1e-15, "masked");
        AttentionProblem hidden = new(this, inputs with { KeyLengths = Ints(1) });
        Numbers.Close(
            [0.5, double.NegativeInfinity], hidden.Scores(ScoreOutput.Masked), 0, "masked");
        Assert.Equal([1.0, 0], hidden.Scores(ScoreOutput.Probabilities));
        Assert.Equal([4.0], hidden.Output.Values);
        Assert.Equal([0.5], hidden.LogSumExp.Values);
    }

    [Fact]
    public void DefaultScale_IsOneOverTheRootOfTheHeadDimension()
    {
        // D = 4, Dv = 1: q·k = 4·2·3 = 24, times 1/2.
        AttentionProblem problem = new(this, new()
        {
            Query = Real([2, 2, 2, 2]),
            Key = Real([3, 3, 3, 3]),
            Value = Real([1]),
            Sizes = new(1, 1, 1, 1, 1, 4, 1),
        });
        Assert.Equal([12.0], problem.Scores(ScoreOutput.Raw));
    }

    [Fact]
    public void GroupedHeads_ReadTheirBlock()
    {
        // Four query heads, two key/value heads with one key each: heads 0, 1 read the first.
        AttentionProblem problem = new(this, new()
        {
            Query = Real([1, 1, 1, 1]),
            Key = Real([1, 1]),
            Value = Real([5, 6]),
            Sizes = new(1, 4, 2, 1, 1, 1, 1),
        });
        problem.Forward();
        Assert.Equal([5.0, 5, 6, 6], problem.Output.Values);
        problem.Backward([1, 2, 4, 8]);
        Assert.Equal([3.0, 12], problem.ValueGradient.Values);
    }

    [Fact]
    public void NoKeysAtAll_GiveZeros()
    {
        AttentionProblem problem = new(this, new()
        {
            Query = Real([1, 2]),
            Sizes = new(1, 1, 1, 2, 0, 1, 3),
        });
        problem.Forward();
        Assert.Equal(new double[6], problem.Output.Values);
        Assert.All(problem.LogSumExp.Values, x => Assert.Equal(double.NegativeInfinity, x));
        problem.Backward(new double[6]);
        Assert.Equal(new double[2], problem.QueryGradient.Values);
    }

    [Fact]
    public void EmptyBatchAndEmptyQueries_DoNothing()
    {
        new AttentionProblem(this, new() { Sizes = new(0, 2, 1, 3, 4, 5, 6) }).Forward();
        AttentionProblem problem = new(this, new()
        {
            Key = Real([1, 2]),
            Value = Real([1, 2]),
            Sizes = new(1, 1, 1, 0, 2, 1, 1),
        });
        problem.Forward();
        problem.Backward([]);
        Assert.Equal([0.0, 0], problem.KeyGradient.Values);
    }

    [Fact]
    public void PackedProjection_EqualsSeparateTensors()
    {
        // One buffer [B, S, 3, H, D]; gradients are written into one of the same layout.
        const int Batch = 2, Length = 3, Heads = 2, Dimension = 4;
        AttentionSizes sizes = new(Batch, Heads, Heads, Length, Length, Dimension, Dimension);
        const int Row = 3 * Heads * Dimension;
        AttentionStrides strides =
            AttentionStrides.SequenceMajor(Heads, Length, Dimension, Row);
        double[] packed = Numbers.Normal(8, Batch * Length * Row);
        TestBuffer buffer = Real(packed);
        const int Part = Heads * Dimension;
        AttentionInputs inputs = new()
        {
            Query = buffer.View.Slice(0, buffer.Length - (2 * Part)),
            Key = buffer.View.Slice(Part, buffer.Length - (2 * Part)),
            Value = buffer.View.Slice(2 * Part, buffer.Length - (2 * Part)),
            QueryStrides = strides,
            KeyStrides = strides,
            ValueStrides = strides,
            OutputStrides = AttentionStrides.SequenceMajor(Heads, Length, Dimension),
            Sizes = sizes,
            Options = new() { Causal = CausalAlignment.TopLeft },
        };
        double[] outputGradient = Numbers.Normal(9, Batch * Length * Part);
        AttentionProblem strided = new(this, inputs);
        strided.Forward();
        TestBuffer gradient = Output(packed.Length);
        Reference.Run(new AttentionBackward
        {
            Inputs = inputs,
            Output = strided.Output,
            LogSumExp = strided.LogSumExp,
            OutputGradient = Real(outputGradient),
            QueryGradient = gradient.View.Slice(0, gradient.Length - (2 * Part)),
            KeyGradient = gradient.View.Slice(Part, gradient.Length - (2 * Part)),
            ValueGradient = gradient.View.Slice(2 * Part, gradient.Length - (2 * Part)),
        });

        double[] HeadMajor(double[] values, int row, int offset)
        {
            List<double> result = [];
            for (int b = 0; b < Batch; b++)
                for (int h = 0; h < Heads; h++)
                    for (int s = 0; s < Length; s++)
                        result.AddRange(values.AsSpan(
                            (((b * Length) + s) * row) + offset + (h * Dimension), Dimension));
            return [.. result];
        }

        AttentionProblem plain = new(this, new()
        {
            Query = Real(HeadMajor(packed, Row, 0)),
            Key = Real(HeadMajor(packed, Row, Part)),
            Value = Real(HeadMajor(packed, Row, 2 * Part)),
            Sizes = sizes,
            Options = inputs.Options,
        });
        plain.Forward();
        plain.Backward(HeadMajor(outputGradient, Part, 0));
        Numbers.Same(plain.Output.Values, HeadMajor(strided.Output.Values, Part, 0), "output");
        double[] all = gradient.Values;
        Numbers.Same(plain.QueryGradient.Values, HeadMajor(all, Row, 0), "dQ");
        Numbers.Same(plain.KeyGradient.Values, HeadMajor(all, Row, Part), "dK");
        Numbers.Same(plain.ValueGradient.Values, HeadMajor(all, Row, 2 * Part), "dV");
    }

    private AttentionInputs TwoKeys() => new()
    {
        Query = Real([1]),
        Key = Real([0, LogThree]),
        Value = Real([4, 8]),
        Sizes = new(1, 1, 1, 1, 2, 1, 1),
        Options = new() { Scale = 1 },
    };
}
