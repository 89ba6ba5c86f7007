namespace Transformer.Models.Training;

/// <summary>The learning rate of each optimizer step; depends on the step alone.</summary>
public interface ILearningRateSchedule
{
    /// <summary>The rate of a step, the first being 1.</summary>
    double Rate(long step);
}

/// <summary>Names of the schedules in <see cref="TrainingOptions"/>.</summary>
public enum LearningRateSchedule
{
    /// <summary><see cref="WarmupInverseSquareRoot"/>.</summary>
    InverseSquareRoot,

    /// <summary><see cref="WarmupCosine"/>.</summary>
    Cosine,

    /// <summary><see cref="ConstantLearningRate"/>.</summary>
    Constant,
}

/// <summary>peak · min(step / warmup, √(warmup / step)).</summary>
/// <remarks>Vaswani et al., "Attention Is All You Need", 2017, §5.3, equation 3, with the peak
/// as its parameter; see <see cref="ForWidth"/>.</remarks>
/// <param name="peak">The rate at the end of the warm-up.</param>
/// <param name="warmupSteps">Steps of linear growth; 0 counts as 1.</param>
public sealed class WarmupInverseSquareRoot(double peak, long warmupSteps) : ILearningRateSchedule
{
    private readonly double warmup = Math.Max(1, warmupSteps);

    /// <summary>The paper's own: factor · width^−½ · min(step^−½, step · warmup^−1½).</summary>
    /// <param name="width">The model's width.</param>
    /// <param name="warmupSteps">Steps of linear growth.</param>
    /// <param name="factor">1 in the paper.</param>
    public static WarmupInverseSquareRoot ForWidth(
        int width, long warmupSteps, double factor = 1) =>
        new(factor / Math.Sqrt((double)width * Math.Max(1, warmupSteps)), warmupSteps);

    /// <inheritdoc/>
    public double Rate(long step) => peak * Math.Min(step / warmup, Math.Sqrt(warmup / step));
}

/// <summary>
/// Linear growth to the peak, then floor + (peak − floor) · ½(1 + cos(π · progress)), and the
/// floor after the last step.
/// </summary>
/// <remarks>Loshchilov, Hutter: "SGDR", 2017, equation 5, one period, after a warm-up.</remarks>
/// <param name="peak">The rate at the end of the warm-up.</param>
/// <param name="warmupSteps">Steps of linear growth; 0: the peak from the first step on.</param>
/// <param name="totalSteps">The step that reaches the floor.</param>
/// <param name="floor">The last rate.</param>
public sealed class WarmupCosine(
    double peak, long warmupSteps, long totalSteps, double floor = 0) : ILearningRateSchedule
{
    /// <inheritdoc/>
    public double Rate(long step)
    {
        if (step < warmupSteps) return peak * step / warmupSteps;
        if (step >= totalSteps) return floor;
        double progress = (double)(step - warmupSteps) / (totalSteps - warmupSteps);
        return floor + ((peak - floor) * 0.5 * (1 + Math.Cos(Math.PI * progress)));
    }
}

/// <summary>Linear growth to the rate, which then stays.</summary>
/// <param name="rate">The rate.</param>
/// <param name="warmupSteps">Steps of linear growth; 0: the rate from the first step on.</param>
public sealed class ConstantLearningRate(double rate, long warmupSteps = 0) : ILearningRateSchedule
{
    /// <inheritdoc/>
    public double Rate(long step) => step < warmupSteps ? rate * step / warmupSteps : rate;
}
