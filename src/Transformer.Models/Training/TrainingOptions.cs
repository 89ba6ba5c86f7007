namespace Transformer.Models.Training;

/// <summary>How a model is trained. Immutable; also a JSON file, see <see cref="Load"/>.</summary>
/// <remarks>
/// Training ends at the first limit that is reached: <see cref="Epochs"/>,
/// <see cref="MaxSteps"/>, <see cref="MaxMinutes"/> or <see cref="Patience"/>. A step is one
/// update of the weights.
/// </remarks>
public sealed partial record TrainingOptions
{
    /// <summary>Passes over the training data; 0: no limit.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Steps; 0: no limit.</summary>
    public long MaxSteps { get; init; }

    /// <summary>Minutes of all runs of this training together; 0: no limit.</summary>
    public double MaxMinutes { get; init; }

    /// <summary>Most padded tokens of one micro-batch on the longer side.</summary>
    public int TokensPerBatch { get; init; } = 2048;

    /// <summary>Micro-batches whose gradients are added up for one step.</summary>
    public int AccumulationSteps { get; init; } = 1;

    /// <summary>The rate at the end of the warm-up.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>What becomes of the rate.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.InverseSquareRoot;

    /// <summary>Steps of linear growth of the rate.</summary>
    public long WarmupSteps { get; init; } = 400;

    /// <summary>The last rate of the cosine schedule.</summary>
    public double MinLearningRate { get; init; }

    /// <summary>The step at which the cosine schedule ends; 0: the last one of the limits.
    /// </summary>
    public long ScheduleSteps { get; init; }

    /// <summary>Weight of the uniform distribution in the training loss, in [0, 1).</summary>
    public double LabelSmoothing { get; init; } = 0.1;

    /// <summary>Largest norm of the gradient that is let through; 0: no clipping.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>AdamW's decay, times the rate, of the parameters that decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>AdamW's β₁.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's β₂; 0.98 as in Vaswani et al. 2017, §5.3.</summary>
    public double Beta2 { get; init; } = 0.98;

    /// <summary>AdamW's ε; 1e-9 as in Vaswani et al. 2017, §5.3.</summary>
    public double Epsilon { get; init; } = 1e-9;

    /// <summary>Steps from one validation to the next; 0: at the end of each epoch.</summary>
    public long ValidateEvery { get; init; }

    /// <summary>What "best" goes by: <c>loss</c>, <c>accuracy</c>, or the name of one of
    /// <see cref="Trainer.Metrics"/>; all but the loss count as better when higher.
    /// </summary>
    public string BestBy { get; init; } = ValidationResult.LossName;

    /// <summary>Validations without a new best after which training ends; 0: never.</summary>
    public int Patience { get; init; }

    /// <summary>Steps from one checkpoint to the next; 0: at the end of each epoch.</summary>
    public long CheckpointEvery { get; init; }

    /// <summary>Newest checkpoints that are kept; the best one is kept besides.</summary>
    public int KeepCheckpoints { get; init; } = 3;

    /// <summary>Of the order of the data and of dropout.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Checks every field.</summary>
    /// <exception cref="ArgumentException">A field is out of range; the message names it.
    /// </exception>
    public void Validate()
    {
        Require("epochs", Epochs, Epochs >= 0, "0 or more");
        Require("maxSteps", MaxSteps, MaxSteps >= 0, "0 or more");
        Require("maxMinutes", MaxMinutes, MaxMinutes is >= 0 and < 1e8, "0 to 1e8");
        if (Epochs == 0 && MaxSteps == 0 && MaxMinutes == 0)
        {
            throw new ArgumentException("TrainingOptions: 'epochs', 'maxSteps' and 'maxMinutes' " +
                "are all 0; expected at least one limit. Set one of them.");
        }

        Require("tokensPerBatch", TokensPerBatch,
            TokensPerBatch is > 0 and <= BatchingOptions.LargestTokensPerBatch,
            $"1 to {BatchingOptions.LargestTokensPerBatch}");
        Require("accumulationSteps", AccumulationSteps, AccumulationSteps > 0, "1 or more");
        Require("labelSmoothing", LabelSmoothing, LabelSmoothing is >= 0 and < 1,
            "a number in [0, 1)");
        Require("validateEvery", ValidateEvery, ValidateEvery >= 0, "0 or more");
        Require("patience", Patience, Patience >= 0, "0 or more");
        Require("checkpointEvery", CheckpointEvery, CheckpointEvery >= 0, "0 or more");
        Require("keepCheckpoints", KeepCheckpoints, KeepCheckpoints > 0, "1 or more");
        if (string.IsNullOrWhiteSpace(BestBy))
        {
            throw new ArgumentException("TrainingOptions: 'bestBy' is empty; expected loss, " +
                "accuracy or the name of a metric.");
        }

        ValidateOptimizer();
    }

    /// <summary>Batch sizes for the training data.</summary>
    public BatchingOptions Batching(bool shuffle) =>
        new() { TokensPerBatch = TokensPerBatch, Shuffle = shuffle };

    /// <summary>The schedule.</summary>
    /// <param name="stepsPerEpoch">Of this data set; the cosine schedule's end needs it where
    /// <see cref="ScheduleSteps"/> and <see cref="MaxSteps"/> are 0.</param>
    public ILearningRateSchedule CreateSchedule(long stepsPerEpoch)
    {
        Validate();
        long byEpochs = Epochs == 0 ? long.MaxValue : Epochs * stepsPerEpoch;
        long total = ScheduleSteps > 0
            ? ScheduleSteps
            : Math.Min(byEpochs, MaxSteps == 0 ? long.MaxValue : MaxSteps);
        return Schedule switch
        {
            LearningRateSchedule.Cosine =>
                new WarmupCosine(LearningRate, WarmupSteps, total, MinLearningRate),
            LearningRateSchedule.Constant => new ConstantLearningRate(LearningRate, WarmupSteps),
            _ => new WarmupInverseSquareRoot(LearningRate, WarmupSteps),
        };
    }

    private void ValidateOptimizer()
    {
        Require("learningRate", LearningRate, LearningRate is > 0 and <= 1e6,
            "a number above 0, at most 1e6");
        Require("minLearningRate", MinLearningRate,
            MinLearningRate >= 0 && MinLearningRate <= LearningRate, "0 to learningRate");
        Require("warmupSteps", WarmupSteps, WarmupSteps >= 0, "0 or more");
        Require("scheduleSteps", ScheduleSteps, ScheduleSteps >= 0, "0 or more");
        if (Schedule == LearningRateSchedule.Cosine && ScheduleSteps == 0 && Epochs == 0
            && MaxSteps == 0)
        {
            throw new ArgumentException("TrainingOptions: the cosine schedule needs its last " +
                "step. Set 'scheduleSteps', 'maxSteps' or 'epochs'.");
        }

        Require("clipNorm", ClipNorm, ClipNorm is >= 0 and <= float.MaxValue, "0 or more");
        Require("weightDecay", WeightDecay, WeightDecay is >= 0 and <= 1e6, "0 to 1e6");
        Require("beta1", Beta1, Beta1 is >= 0 and <= 0.9999999, "0 to 0.9999999");
        Require("beta2", Beta2, Beta2 is >= 0 and <= 0.9999999, "0 to 0.9999999");
        Require("epsilon", Epsilon, Epsilon is > 0 and <= 1, "a number above 0, at most 1");
    }

    private static void Require<T>(string name, T actual, bool holds, string expected)
        where T : IFormattable
    {
        if (holds) return;
        throw new ArgumentException(
            $"TrainingOptions: '{name}' is {InvariantText(actual)}; expected {expected}.");
    }

    private static string InvariantText(IFormattable value) =>
        value.ToString(null, System.Globalization.CultureInfo.InvariantCulture);
}
