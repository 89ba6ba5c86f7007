using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class ProgressMeterTests
{
    private sealed class ManualClock : TimeProvider
    {
        public double Seconds { get; set; }

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => (long)(Seconds * 1_000_000);
    }

    [Fact]
    public void SteadyStepsGiveTheirRateAndTheTimeLeft()
    {
        ManualClock clock = new();
        ProgressMeter meter = new(TimeSpan.FromSeconds(100), clock);
        Assert.Equal(0, meter.TokensPerSecond);
        Assert.Null(meter.TimeLeft(10, maxMinutes: 0));
        for (int i = 1; i <= 20; i++)
        {
            clock.Seconds = i * 0.5;
            meter.Step(1000);
        }

        // The first step's weight is that of its own time, so that equal steps give their rate
        // up to the forgetting within one step, half a second in thirty.
        Assert.Equal(2000, meter.TokensPerSecond, 2000 * 0.02);
        Assert.Equal(110, meter.Elapsed.TotalSeconds, 1e-5);
        Assert.Equal(10, meter.TimeLeft(20, 0)!.Value.TotalSeconds, 0.2);
        Assert.Equal(10, meter.TimeLeft(2000, 2)!.Value.TotalSeconds, 1e-5);
        Assert.Equal(TimeSpan.Zero, meter.TimeLeft(2000, 1));
        Assert.Null(meter.TimeLeft(null, 0));
    }

    [Fact]
    public void PausesAreLeftOutOfTheSpeed()
    {
        ManualClock clock = new() { Seconds = 1 };
        ProgressMeter meter = new(clock: clock);
        clock.Seconds = 2;
        meter.Step(10);
        clock.Seconds = 500;
        meter.Skip();
        clock.Seconds = 501;
        meter.Step(10);
        Assert.Equal(10, meter.TokensPerSecond, 1e-9);
        Assert.Equal(500, meter.Elapsed.TotalSeconds, 1e-9);
    }
}
