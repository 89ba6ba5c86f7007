using Transformer.Models;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>Which parameters are one table.</summary>
internal enum Tying
{
    /// <summary>None.</summary>
    None,

    /// <summary>Target embedding and output projection.</summary>
    Output,

    /// <summary>Source embedding, target embedding and output projection.</summary>
    All,
}

/// <summary>What <c>train seq2seq</c> trains, on what, and how.</summary>
internal sealed record Seq2SeqTrainOptions : ITrainOptions<Seq2SeqTrainOptions>
{
    /// <inheritdoc/>
    public static string Command => "train seq2seq";

    /// <inheritdoc/>
    public static Seq2SeqTrainOptions Default { get; } = new();

    /// <summary>Name of a corpus that comes with the library.</summary>
    public string? Corpus { get; init; }

    /// <summary>File of source sentences.</summary>
    public string? Source { get; init; }

    /// <summary>File of their translations.</summary>
    public string? Target { get; init; }

    /// <summary>File of source sentences to validate with.</summary>
    public string? ValidSource { get; init; }

    /// <summary>File of their translations.</summary>
    public string? ValidTarget { get; init; }

    /// <summary>What becomes of pairs longer than the position table.</summary>
    public LongPairs LongPairs { get; init; } = LongPairs.Refuse;

    /// <summary><c>word</c>: one tokenizer a language; <c>bpe</c>: one of both.</summary>
    public string Tokenizer { get; init; } = "word";

    /// <summary>Most tokens of each tokenizer; null: its kind's default.</summary>
    public int? Vocabulary { get; init; }

    /// <summary>Words fold to lower case.</summary>
    public bool Lowercase { get; init; }

    /// <summary>Null: all where the tokenizer is one, else the output.</summary>
    public Tying? Tie { get; init; }

    /// <summary>The model, apart from vocabularies, tying and feed-forward width.</summary>
    public Seq2SeqConfig Model { get; init; } =
        new() { SourceVocabulary = 0, TargetVocabulary = 0 };

    /// <summary>Width inside the feed-forward blocks; null: four times the model's.</summary>
    public int? FeedForward { get; init; }

    /// <summary>Validations from one BLEU to the next; 0: at the end alone.</summary>
    public int BleuEvery { get; init; }

    /// <summary>Limits, batches, optimizer, validation, checkpoints.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <inheritdoc/>
    public Seq2SeqTrainOptions WithTraining(TrainingOptions training) =>
        this with { Training = training };

    /// <inheritdoc/>
    public void Validate()
    {
        if (BleuEvery < 0)
        {
            throw new ArgumentException(
                $"{Command}: 'bleu-every' is {BleuEvery}; expected 0 or more.");
        }

        Training.Validate();
    }

    /// <summary>Whether one tokenizer serves both languages.</summary>
    public bool IsJoint => Tokenizer != "word";

    /// <summary>The model's configuration.</summary>
    /// <exception cref="ArgumentException">It is not valid; the message says why.</exception>
    public Seq2SeqConfig Config(int sourceVocabulary, int targetVocabulary)
    {
        Tying tie = Tie ?? (IsJoint ? Tying.All : Tying.Output);
        Seq2SeqConfig config = Model with
        {
            SourceVocabulary = sourceVocabulary,
            TargetVocabulary = targetVocabulary,
            FeedForwardWidth = FeedForward ?? 4 * Model.Width,
            TieEmbeddings = tie == Tying.All,
            TieOutput = tie != Tying.None,
        };
        config.Validate();
        return config;
    }
}
