using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class LearningRateScheduleTests
{
    // The expected values are exact in double but for roots and cosines: a few rounding errors.
    private const double Tolerance = 1e-15;

    [Theory]
    [InlineData(1, 0.001)]
    [InlineData(2, 0.002)]
    [InlineData(4, 0.004)]
    [InlineData(16, 0.002)]
    [InlineData(100, 0.0008)]
    public void InverseSquareRoot(long step, double expected) =>
        Assert.Equal(expected, new WarmupInverseSquareRoot(0.004, 4).Rate(step), Tolerance);

    [Theory]
    [InlineData(1, 1.746928107421711e-7)] // 512^-0.5 · 4000^-1.5
    [InlineData(4000, 6.987712429686843e-4)] // 512^-0.5 · 4000^-0.5
    [InlineData(100_000, 1.397542485937369e-4)] // 512^-0.5 · 100000^-0.5
    public void ThePapersSchedule(long step, double expected) =>
        Assert.Equal(
            expected, WarmupInverseSquareRoot.ForWidth(512, 4000).Rate(step), Tolerance);

    [Theory]
    [InlineData(1, 0.1)]
    [InlineData(5, 0.5)]
    [InlineData(10, 1)]
    [InlineData(35, 0.8681980515339464)] // 0.1 + 0.9 · ½(1 + √½)
    [InlineData(60, 0.55)]
    [InlineData(110, 0.1)]
    [InlineData(1000, 0.1)]
    public void Cosine(long step, double expected) =>
        Assert.Equal(expected, new WarmupCosine(1, 10, 110, 0.1).Rate(step), Tolerance);

    [Fact]
    public void CosineThatEndsInTheWarmupEndsAtTheFloor()
    {
        WarmupCosine schedule = new(1, 10, 5, 0.25);
        Assert.Equal(0.9, schedule.Rate(9), Tolerance);
        Assert.Equal(0.25, schedule.Rate(10), Tolerance);
    }

    [Theory]
    [InlineData(1, 0.25)]
    [InlineData(4, 1)]
    [InlineData(900, 1)]
    public void Constant(long step, double expected) =>
        Assert.Equal(expected, new ConstantLearningRate(1, 4).Rate(step), Tolerance);

    [Fact]
    public void WithoutWarmupTheFirstStepHasThePeak()
    {
        Assert.Equal(2, new ConstantLearningRate(2).Rate(1));
        Assert.Equal(2, new WarmupCosine(2, 0, 1000).Rate(1), 1e-5);
        Assert.Equal(2, new WarmupInverseSquareRoot(2, 0).Rate(1));
    }
}
