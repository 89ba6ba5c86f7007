using System.Globalization;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>The settings that every kind of training has, with its own defaults in the help.
/// </summary>
internal static class TrainingSettings
{
    /// <summary>In the order of the help.</summary>
    public static TrainSetting<T>[] Of<T>() where T : ITrainOptions<T>
    {
        TrainingOptions o = T.Default.Training;
        return
        [
            TrainSetting<T>.Training(
                "epochs", $"Passes over the data; {o.Epochs} where there is no other limit."),
            TrainSetting<T>.Training("steps", "Updates of the weights.", "maxSteps"),
            TrainSetting<T>.Training("minutes", "Minutes of training.", "maxMinutes"),
            TrainSetting<T>.Training("tokens-per-batch",
                $"Most padded tokens of a batch ({o.TokensPerBatch})."),
            TrainSetting<T>.Training("accumulate",
                $"Batches of one update ({o.AccumulationSteps}).", "accumulationSteps"),
            TrainSetting<T>.Training("learning-rate",
                Text($"Rate at the end of the warm-up ({o.LearningRate}).")),
            TrainSetting<T>.Training("schedule",
                $"inverseSquareRoot, cosine or constant ({Camel(o.Schedule)})."),
            TrainSetting<T>.Training("warmup",
                $"Updates until the full rate ({o.WarmupSteps}).", "warmupSteps"),
            TrainSetting<T>.Training("min-learning-rate",
                Text($"Last rate of the cosine schedule ({o.MinLearningRate}).")),
            TrainSetting<T>.Training("schedule-steps",
                "Where the cosine ends; 0: at the last update."),
            TrainSetting<T>.Training("label-smoothing",
                Text($"Weight of the uniform distribution ({o.LabelSmoothing}).")),
            TrainSetting<T>.Training("clip",
                Text($"Largest norm of the gradient ({o.ClipNorm}); 0: any."), "clipNorm"),
            TrainSetting<T>.Training("weight-decay", Text($"AdamW's decay ({o.WeightDecay}).")),
            TrainSetting<T>.Training("beta1", Text($"AdamW ({o.Beta1}).")),
            TrainSetting<T>.Training("beta2", Text($"AdamW ({o.Beta2}).")),
            TrainSetting<T>.Training("epsilon", Text($"AdamW ({o.Epsilon}).")),
            TrainSetting<T>.Training("validate-every",
                $"Updates; 0: after each epoch ({o.ValidateEvery})."),
            TrainSetting<T>.Training("patience",
                "Validations without a new best until the end; 0: any."),
            TrainSetting<T>.Training("checkpoint-every",
                $"Updates; 0: after each epoch ({o.CheckpointEvery})."),
            TrainSetting<T>.Training("keep",
                $"Newest checkpoints kept, besides the best ({o.KeepCheckpoints}).",
                "keepCheckpoints"),
            TrainSetting<T>.Training("seed",
                $"Of weights, dropout and the order of the data ({o.Seed})."),
        ];
    }

    private static string Text(FormattableString text) =>
        text.ToString(CultureInfo.InvariantCulture);

    private static string Camel(LearningRateSchedule schedule)
    {
        string name = schedule.ToString();
        return char.ToLowerInvariant(name[0]) + name[1..];
    }
}
