namespace Transformer.Models.Training;

/// <summary>Speed and time left of a training, from recent steps.</summary>
/// <remarks>The average forgets with a time constant of 30 seconds, so that neither one slow
/// step nor the first steps, which compile graphs, dominate it.</remarks>
public sealed class ProgressMeter
{
    private const double TimeConstant = 30;

    private readonly TimeProvider clock;
    private readonly double earlierSeconds;
    private readonly long started;
    private long last;
    private double tokens, steps, seconds;

    /// <summary>Starts the clock.</summary>
    /// <param name="earlier">Time of earlier runs of the same training.</param>
    /// <param name="clock">Source of time; the system's where null.</param>
    public ProgressMeter(TimeSpan earlier = default, TimeProvider? clock = null)
    {
        this.clock = clock ?? TimeProvider.System;
        earlierSeconds = earlier.TotalSeconds;
        started = last = this.clock.GetTimestamp();
    }

    /// <summary>Time since the start and of earlier runs.</summary>
    public TimeSpan Elapsed =>
        clock.GetElapsedTime(started) + TimeSpan.FromSeconds(earlierSeconds);

    /// <summary>Recent target tokens a second; 0 before the first step.</summary>
    public double TokensPerSecond => seconds > 0 ? tokens / seconds : 0;

    /// <summary>Recent steps a second; 0 before the first step.</summary>
    public double StepsPerSecond => seconds > 0 ? steps / seconds : 0;

    /// <summary>Counts one step.</summary>
    /// <param name="targetTokens">Labels that counted in it.</param>
    public void Step(long targetTokens)
    {
        long now = clock.GetTimestamp();
        double passed = clock.GetElapsedTime(last, now).TotalSeconds;
        last = now;
        double keep = Math.Exp(-passed / TimeConstant);
        tokens = (tokens * keep) + targetTokens;
        steps = (steps * keep) + 1;
        seconds = (seconds * keep) + passed;
    }

    /// <summary>Leaves the time since the last step out of the speed: validating, saving.</summary>
    public void Skip() => last = clock.GetTimestamp();

    /// <summary>Time until the first of the limits; null where none can be foreseen.</summary>
    /// <param name="stepsLeft">Steps until the limits that count steps; null: no such limit.
    /// </param>
    /// <param name="maxMinutes">Limit of <see cref="Elapsed"/>; 0: none.</param>
    public TimeSpan? TimeLeft(long? stepsLeft, double maxMinutes)
    {
        double left = double.PositiveInfinity;
        if (stepsLeft is { } count && StepsPerSecond > 0) left = count / StepsPerSecond;
        if (maxMinutes > 0) left = Math.Min(left, (maxMinutes * 60) - Elapsed.TotalSeconds);
        return left < TimeSpan.MaxValue.TotalSeconds / 2
            ? TimeSpan.FromSeconds(Math.Max(0, left))
            : null;
    }
}
