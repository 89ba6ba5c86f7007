using Transformer.Numerics;
using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.Dropout;

public class DropoutReferenceTests : KernelTest
{
    [Fact]
    public void Forward_DropsWherePhiloxSaysSo()
    {
        // Words 0 to 3 of stream (seed 0, stream 0, step 0) are the first known-answer block of
        // Philox 4×32-10: 6627e8d5 e169c58d bc57ac4c 9b00dbd8. Over 2³² they are 0.399, 0.881,
        // 0.736 and 0.605: p = 0.625 drops the first and the last and scales by 1/0.375.
        TestBuffer output = Output(4);
        Reference.Run(new DropoutForward
        {
            Input = Real([1, 3, -6, double.NaN]),
            Output = output,
            RandomState = Longs(0, 0),
            Length = 4,
            Probability = 0.625f,
        });
        float keep = 1f / 0.375f;
        Assert.Equal([0.0, 3.0 * keep, -6.0 * keep, 0], output.Values);
    }

    [Fact]
    public void Forward_OfProbabilityZeroCopies()
    {
        double[] values = Numbers.Normal(1, 101);
        TestBuffer buffer = Real(values);
        Reference.Run(new DropoutForward
        {
            Input = buffer,
            Output = buffer,
            RandomState = Longs(7, 3),
            Length = values.Length,
        });
        Numbers.Same(values, buffer.Values, "output");
    }

    [Theory]
    [InlineData(0.1f)]
    [InlineData(0.5f)]
    [InlineData(0.9f)]
    public void Forward_KeepsTheExpectedShareAndMean(float probability)
    {
        const int Length = 100_000;
        double[] output = Masked(probability, seed: 11, step: 5, stream: 2, Length);
        double kept = output.Count(x => x != 0) / (double)Length;
        // Five standard deviations of a share of 100,000 draws: 5·√(p(1 − p)/100,000) ≤ 0.008.
        Assert.InRange(kept, 1 - probability - 0.008, 1 - probability + 0.008);
        Assert.All(output.Where(x => x != 0), x => Assert.Equal(1f / (1f - probability), x));
    }

    [Fact]
    public void Forward_DependsOnSeedStepAndStream()
    {
        double[] mask = Masked(0.5f, 1, 1, 1, 256);
        Assert.Equal(mask, Masked(0.5f, 1, 1, 1, 256));
        Assert.NotEqual(mask, Masked(0.5f, 2, 1, 1, 256));
        Assert.NotEqual(mask, Masked(0.5f, 1L << 40, 1, 1, 256));
        Assert.NotEqual(mask, Masked(0.5f, 1, 2, 1, 256));
        Assert.NotEqual(mask, Masked(0.5f, 1, 1, 2, 256));
    }

    [Fact]
    public void Backward_IsTheForwardMapOfTheGradient()
    {
        double[] gradient = Numbers.Normal(3, 77);
        double[] mask = Masked(0.3f, 9, 4, 8, 77);
        TestBuffer result = Output(77);
        Reference.Run(new DropoutBackward
        {
            OutputGradient = Real(gradient),
            InputGradient = result,
            RandomState = Longs(9, 4),
            Length = 77,
            Probability = 0.3f,
            Stream = 8,
        });
        Numbers.Same([.. mask.Select((m, i) => m * gradient[i])], result.Values, "gradient");
    }

    [Fact]
    public void Backward_MatchesCentralDifferences()
    {
        double[] weights = Numbers.Normal(4, 9);
        TestBuffer input = Real(Numbers.Normal(5, 9));
        TestBuffer output = Output(9);
        TestBuffer gradient = Output(9);
        DropoutForward forward = new()
        {
            Input = input,
            Output = output,
            RandomState = Longs(3, 2),
            Length = 9,
            Probability = 0.4f,
            Stream = 1,
        };
        Reference.Run(new DropoutBackward
        {
            OutputGradient = Real(weights),
            InputGradient = gradient,
            RandomState = forward.RandomState,
            Length = 9,
            Probability = 0.4f,
            Stream = 1,
        });
        CentralDifference.Check("inputGradient", input, gradient.Values, () =>
        {
            Reference.Run(forward);
            return Numbers.Dot(weights, output.Values);
        });
    }

    [Fact]
    public void Calls_RejectWrongArguments()
    {
        DropoutForward call = new()
        {
            Input = Real([1, 2]),
            Output = Output(2),
            RandomState = Longs(1, 1),
            Length = 2,
            Probability = 0.5f,
        };
        Rejects(call with { Probability = 1 },
            "Dropout: 'Probability' is 1; expected a number from 0 up to but not including 1. " +
            "Use 0 for none.");
        Rejects(call with { Probability = float.NaN },
            "Dropout: 'Probability' is NaN; expected a number from 0 up to but not including 1. " +
            "Use 0 for none.");
        Rejects(call with { RandomState = Ints(1, 1) },
            "Dropout: 'randomState' is Int32; expected Int64: seed, step. Convert it first.");
        Rejects(call with { RandomState = Longs(1) },
            "Dropout: 'randomState' has 1 elements; expected 2 for shape [2]. Pass a buffer of " +
            "that size.");
        DropoutBackward backward = new()
        {
            OutputGradient = Real([1, 2]),
            InputGradient = Output(1),
            RandomState = Longs(1, 1),
            Length = 2,
        };
        Rejects(backward,
            "Dropout: 'inputGradient' has 1 elements; expected 2 for shape [2]. Pass a buffer of " +
            "that size.");
    }

    [Fact]
    public void Philox_WordIsTheElementOfItsBlock()
    {
        (uint x, uint y, uint z, uint w) = Philox.Block(5, 1, 7, 6, 0x89ABCDEF, 0x01234567);
        ulong first = (5UL << 2) + (1UL << 34);
        uint[] words =
            [.. Enumerable.Range(0, 4).Select(i =>
                Philox.Word(0x0123456789ABCDEF, 6, 7, first + (ulong)i))];
        Assert.Equal(new[] { x, y, z, w }, words);
    }

    private double[] Masked(float probability, long seed, long step, uint stream, int length)
    {
        TestBuffer buffer = Real([.. Enumerable.Repeat(1.0, length)]);
        Reference.Run(new DropoutForward
        {
            Input = buffer,
            Output = buffer,
            RandomState = Longs(seed, step),
            Length = length,
            Probability = probability,
            Stream = stream,
        });
        return buffer.Values;
    }
}
