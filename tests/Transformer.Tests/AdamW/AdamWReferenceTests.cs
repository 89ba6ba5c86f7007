using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.AdamW;

public class AdamWReferenceTests : KernelTest
{
    /// <summary>Each step ends a few ulps from PyTorch's, which orders the operations otherwise.
    /// </summary>
    private const double Tolerance = 1e-14;

    [Fact]
    public void Forward_OneStepByHand()
    {
        // g = 2·0.5 = 1; m = 0.5·0 + 0.5·1; v = 0.75·0 + 0.25·1; m̂ = 0.5/(1 − 0.5) = 1;
        // v̂ = 0.25/(1 − 0.75) = 1; p = 1·(1 − 0.5·0.125) − 0.125·1/(1 + 0) = 0.8125.
        TestBuffer parameter = Real([1]);
        TestBuffer first = Real([0]);
        TestBuffer second = Real([0]);
        Reference.Run(new AdamWForward
        {
            Parameter = parameter,
            Gradient = Real([2]),
            GradientScale = Real([0.5]),
            FirstMoment = first,
            SecondMoment = second,
            Length = 1,
            LearningRate = 0.125,
            Beta1 = 0.5,
            Beta2 = 0.75,
            Epsilon = 0,
            WeightDecay = 0.5,
            Step = 1,
        });
        Assert.Equal([0.8125], parameter.Values);
        Assert.Equal([0.5], first.Values);
        Assert.Equal([0.25], second.Values);
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "adamw", MemberType = typeof(Fixture))]
    public void Forward_MatchesPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        int length = fixture.Doubles("start").Length;
        TestBuffer parameter = Real(fixture.Doubles("start"));
        TestBuffer gradients = Real(fixture.Doubles("gradients"));
        TestBuffer first = Zeros(length);
        TestBuffer second = Zeros(length);
        double[] rates = fixture.Doubles("learning_rate");
        for (int step = 0; step < rates.Length; step++)
        {
            Reference.Run(new AdamWForward
            {
                Parameter = parameter,
                Gradient = gradients.View.Slice(step * length, length),
                FirstMoment = first,
                SecondMoment = second,
                Length = length,
                LearningRate = rates[step],
                Beta1 = fixture.Scalar("beta1"),
                Beta2 = fixture.Scalar("beta2"),
                Epsilon = fixture.Scalar("epsilon"),
                WeightDecay = fixture.Scalar("weight_decay"),
                Step = step + 1,
            });
            Requires("parameters", parameter);
            Requires("first_moment", first);
            Requires("second_moment", second);

            void Requires(string name, TestBuffer actual) => Numbers.Close(
                fixture.Doubles(name)[(step * length)..((step + 1) * length)], actual.Values,
                Tolerance, $"{fixture.Name}/{name} after step {step + 1}");
        }
    }

    [Fact]
    public void Forward_RejectsWrongArguments()
    {
        AdamWForward call = new()
        {
            Parameter = Real([1, 2]),
            Gradient = Real([1, 2]),
            FirstMoment = Real([1, 2]),
            SecondMoment = Real([1, 2]),
            Length = 2,
            LearningRate = 0.1,
            Beta1 = 0.9,
            Beta2 = 0.99,
            Step = 1,
        };
        Rejects(call with { Step = 0 },
            "AdamW: 'Step' is 0; expected 1 or more. Count the first step as 1.");
        Rejects(call with { Beta1 = 1 },
            "AdamW: 'Beta1' is 1; expected a number from 0 to 0.9999999. Check how it was " +
            "computed, or leave it out for the default.");
        Rejects(call with { LearningRate = double.NaN },
            "AdamW: 'LearningRate' is NaN; expected a number from 0 to 3.4028234663852886E+38. " +
            "Check how it was computed, or leave it out for the default.");
        Rejects(call with { Gradient = Real([1]) },
            "AdamW: 'gradient' has 1 elements; expected 2 for shape [2]. Pass a buffer of that " +
            "size.");
        Rejects(call with { SecondMoment = call.FirstMoment },
            "AdamW: 'firstMoment' overlaps 'secondMoment'. Pass separate buffers.");
    }
}
