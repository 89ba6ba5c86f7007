using Transformer.Models;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>What <c>train bert</c> trains, on what, and how.</summary>
internal sealed record BertTrainOptions : ITrainOptions<BertTrainOptions>
{
    /// <inheritdoc/>
    public static string Command => "train bert";

    /// <inheritdoc/>
    public static BertTrainOptions Default { get; } = new();

    /// <summary>File with the sentences.</summary>
    public string? Data { get; init; }

    /// <summary>Tokenizer to use; null: words of the text.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Most tokens of a tokenizer of words; null: every word.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>Words fold to lower case.</summary>
    public bool Lowercase { get; init; }

    /// <summary>The model, apart from the vocabulary.</summary>
    public BertConfig Model { get; init; } =
        BertConfig.Preset("bert-tiny") with { Positions = 128 };

    /// <inheritdoc/>
    /// <remarks>Devlin et al. 2018, appendix A.2, with a larger rate for small models.</remarks>
    public TrainingOptions Training { get; init; } = new()
    {
        TokensPerBatch = 2048,
        LearningRate = 1e-3,
        Schedule = LearningRateSchedule.Cosine,
        WarmupSteps = 200,
        LabelSmoothing = 0,
        WeightDecay = 0.01,
        Beta2 = 0.999,
        Epsilon = 1e-6,
        ValidateEvery = 250,
        CheckpointEvery = 250,
    };

    /// <inheritdoc/>
    public BertTrainOptions WithTraining(TrainingOptions training) =>
        this with { Training = training };

    /// <inheritdoc/>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Data))
        {
            throw new ArgumentException($"{Command}: --data is missing. Name a file of " +
                "sentences, one a line, with an empty line after each document.");
        }

        if (Tokenizer is not null && (Lowercase || Vocabulary is not null))
        {
            throw new ArgumentException($"{Command}: --tokenizer goes without --vocabulary and " +
                "--lowercase, which are for a tokenizer that is learned.");
        }

        Training.Validate();
    }
}
