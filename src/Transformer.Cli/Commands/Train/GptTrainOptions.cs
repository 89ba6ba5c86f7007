using Transformer.Models;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>What <c>train gpt</c> trains, on what, and how.</summary>
internal sealed record GptTrainOptions : ITrainOptions<GptTrainOptions>
{
    /// <inheritdoc/>
    public static string Command => "train gpt";

    /// <inheritdoc/>
    public static GptTrainOptions Default { get; } = new();

    /// <summary>File with the text.</summary>
    public string? Data { get; init; }

    /// <summary>The model, apart from the vocabulary.</summary>
    public GptConfig Model { get; init; } = GptConfig.Preset("nanogpt-cpu");

    /// <inheritdoc/>
    /// <remarks>The optimizer is that of nanoGPT's small configurations.</remarks>
    public TrainingOptions Training { get; init; } = new()
    {
        TokensPerBatch = 768,
        LearningRate = 1e-3,
        MinLearningRate = 1e-4,
        Schedule = LearningRateSchedule.Cosine,
        WarmupSteps = 100,
        LabelSmoothing = 0,
        WeightDecay = 0.1,
        Beta2 = 0.99,
        Epsilon = 1e-8,
        ValidateEvery = 250,
        CheckpointEvery = 250,
    };

    /// <inheritdoc/>
    public GptTrainOptions WithTraining(TrainingOptions training) =>
        this with { Training = training };

    /// <inheritdoc/>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Data))
            throw new ArgumentException($"{Command}: --data is missing. Name a text file.");
        Training.Validate();
    }
}
