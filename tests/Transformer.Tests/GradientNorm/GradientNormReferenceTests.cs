using Transformer.Ops;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.GradientNorm;

public class GradientNormReferenceTests : KernelTest
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(2.5, 2.5 / (5 + 1e-6))]
    [InlineData(5, 5 / (5 + 1e-6))]
    [InlineData(6, 1)]
    public void Forward_OfThreeFourIsFive(double maxNorm, double expectedScale)
    {
        (double norm, double scale) = Run([3, -4], maxNorm);
        Assert.Equal(5, norm);
        Assert.Equal(expectedScale, scale);
    }

    [Fact]
    public void Forward_OfNothingIsZero() => Assert.Equal((0, 1), Run([], 1));

    [Fact]
    public void Forward_OfNaNIsNaN()
    {
        (double norm, double scale) = Run([1, double.NaN], 1);
        Assert.True(double.IsNaN(norm));
        Assert.True(double.IsNaN(scale));
    }

    [Theory]
    [MemberData(nameof(Fixture.Cases), "clip_gradient_norm", MemberType = typeof(Fixture))]
    public void Forward_MatchesPyTorch(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        double[] gradient =
            [.. fixture.Doubles("a"), .. fixture.Doubles("b"), .. fixture.Doubles("c")];
        double[] clipped =
        [
            .. fixture.Doubles("clipped_a"), .. fixture.Doubles("clipped_b"),
            .. fixture.Doubles("clipped_c"),
        ];
        (double norm, double scale) = Run(gradient, fixture.Scalar("max_norm"));
        Numbers.Close(fixture.Doubles("norm"), [norm], 1e-15, "norm");
        Numbers.Close(clipped, [.. gradient.Select(g => g * scale)], 1e-15, "clipped");
    }

    [Fact]
    public void Forward_RejectsWrongArguments()
    {
        GradientNormForward call = new()
        {
            Gradient = Real([1, 2]),
            Norm = Output(1),
            ClipScale = Output(1),
            Length = 2,
        };
        Rejects(call with { Norm = default },
            "GradientNorm: 'norm' has no buffer; expected 1 for shape [1]. Pass a buffer of that " +
            "size.");
        Rejects(call with { MaxNorm = -1 },
            "GradientNorm: 'MaxNorm' is -1; expected a number from 0 to 3.4028234663852886E+38. " +
            "Check how it was computed, or leave it out for the default.");
        Rejects(call with { Length = 3 },
            "GradientNorm: 'gradient' has 2 elements; expected 3 for shape [3]. Pass a buffer of " +
            "that size.");
    }

    private (double Norm, double Scale) Run(double[] gradient, double maxNorm)
    {
        TestBuffer norm = Output(1);
        TestBuffer scale = Output(1);
        Reference.Run(new GradientNormForward
        {
            Gradient = Real(gradient),
            Norm = norm,
            ClipScale = scale,
            Length = gradient.Length,
            MaxNorm = maxNorm,
        });
        return (norm[0], scale[0]);
    }
}
