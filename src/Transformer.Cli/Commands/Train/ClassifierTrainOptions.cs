using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>What <c>train classifier</c> trains, on what, and how.</summary>
internal sealed record ClassifierTrainOptions : ITrainOptions<ClassifierTrainOptions>
{
    /// <inheritdoc/>
    public static string Command => "train classifier";

    /// <inheritdoc/>
    public static ClassifierTrainOptions Default { get; } = new();

    /// <summary>File with the examples.</summary>
    public string? Data { get; init; }

    /// <summary>Folder of the model that was pre-trained.</summary>
    public string? Base { get; init; }

    /// <inheritdoc/>
    /// <remarks>Devlin et al. 2018, appendix A.3, with a larger rate for small models.</remarks>
    public TrainingOptions Training { get; init; } = new()
    {
        Epochs = 3,
        TokensPerBatch = 1024,
        LearningRate = 2e-4,
        Schedule = LearningRateSchedule.Cosine,
        WarmupSteps = 20,
        LabelSmoothing = 0,
        WeightDecay = 0.01,
        Beta2 = 0.999,
        Epsilon = 1e-6,
    };

    /// <inheritdoc/>
    public ClassifierTrainOptions WithTraining(TrainingOptions training) =>
        this with { Training = training };

    /// <inheritdoc/>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Data))
        {
            throw new ArgumentException($"{Command}: --data is missing. Name a file of examples, " +
                "one a line: class, tab, text, and perhaps tab and a second text.");
        }

        if (string.IsNullOrWhiteSpace(Base))
        {
            throw new ArgumentException($"{Command}: --base is missing. Name the folder of a " +
                "model that 'train bert' or 'import' wrote.");
        }

        Training.Validate();
    }
}
