using Transformer.Models.Layers;
using Transformer.Models.Training;
using Transformer.Ops;
using Setting = Transformer.Cli.Commands.Train.TrainSetting<
    Transformer.Cli.Commands.Train.Seq2SeqTrainOptions>;

namespace Transformer.Cli.Commands.Train;

/// <summary>All settings of <c>train seq2seq</c>: one table for flags, files and help.</summary>
internal static class Seq2SeqTrainSettings
{
    /// <summary>The name of BLEU among the figures of a validation.</summary>
    public const string BleuName = "bleu";

    /// <summary>In the order of the help.</summary>
    public static IReadOnlyList<Setting> All { get; } = 
    [
        .. Data(), .. Model(),
        .. TrainingSettings.Of<Seq2SeqTrainOptions>(), .. Validation(),
    ];

    private static Setting[] Data() =>
    [
        Setting.Choice("corpus", "builtin: English-Russian sentences that come with " +
            "the library; the default where no --source is given.",
            [("builtin", "builtin")], (o, v) => o with { Corpus = v }),
        Setting.Text("source", "FILE", "Sentences to learn from, one a line.",
            (o, v) => o with { Source = v }),
        Setting.Text("target", "FILE", "Their translations, one a line.",
            (o, v) => o with { Target = v }),
        Setting.Text("valid-source", "FILE", "Sentences to validate with.",
            (o, v) => o with { ValidSource = v }),
        Setting.Text("valid-target", "FILE", "Their translations.",
            (o, v) => o with { ValidTarget = v }),
        Setting.Choice("long-pairs", "Pairs longer than the position table (default: refuse).",
            [("refuse", LongPairs.Refuse), ("drop", LongPairs.Drop)],
            (o, v) => o with { LongPairs = v }),
        Setting.Choice(
            "tokenizer", "word: one a language (default); bpe or unigram: joint pieces.",
            [("word", "word"), ("bpe", "bpe"), ("unigram", "unigram")],
            (o, v) => o with { Tokenizer = v }),
        Setting.Whole("vocabulary", "Most tokens; by default every word, or 10000 pieces.",
            (o, v) => o with { Vocabulary = v }),
        Setting.Flag("lowercase", "Fold words to lower case.",
            (o, v) => o with { Lowercase = v }),
    ];

    private static Setting[] Model() =>
    [
        Setting.Whole("layers", "Layers of the encoder and of the decoder (2).",
            (o, v) => o with { Model = o.Model with { EncoderLayers = v, DecoderLayers = v } }),
        Setting.Whole("width", "Width of a token's vector (128).",
            (o, v) => o with { Model = o.Model with { Width = v } }),
        Setting.Whole("heads", "Attention heads (4).",
            (o, v) => o with { Model = o.Model with { Heads = v } }),
        Setting.Whole("feed-forward", "Width inside the feed-forward blocks (4 x width).",
            (o, v) => o with { FeedForward = v }),
        Setting.Whole("max-positions", "Longest sentence in tokens (128).",
            (o, v) => o with { Model = o.Model with { MaxPositions = v } }),
        Setting.Number("dropout", "Share of elements dropped in training (0.1).",
            (o, v) => o with { Model = o.Model with { Dropout = v } }),
        Setting.Choice("norm", "Where the norms stand (pre).",
            [("pre", NormPlacement.Pre), ("post", NormPlacement.Post)],
            (o, v) => o with { Model = o.Model with { Norm = v } }),
        Setting.Choice("positions", "Kind of positions (sinusoidal).",
            PositionKindWords.Marked,
            (o, v) => o with { Model = o.Model with { Positions = v } }),
        Setting.Choice("activation", "Inside the feed-forward blocks (relu).",
            [
                ("relu", Activation.Relu), ("gelu", Activation.Gelu),
                ("gelu-tanh", Activation.GeluTanh), ("silu", Activation.Silu),
            ],
            (o, v) => o with { Model = o.Model with { Activation = v } }),
        Setting.Choice("tie",
            "Which tables are one: by default all with bpe and unigram, else output.",
            [("none", Tying.None), ("output", Tying.Output), ("all", Tying.All)],
            (o, v) => o with { Tie = v }) with { Implied = "all" },
    ];

    private static Setting[] Validation() =>
    [
        Setting.Choice("best-by", "What the best weights go by (loss).",
            [("loss", ValidationResult.LossName), ("accuracy", ValidationResult.AccuracyName),
                ("bleu", BleuName)],
            (o, v) => o with { Training = o.Training with { BestBy = v } }),
        Setting.Whole("bleu-every", "Validations between greedy BLEU; 0: only at the end (0).",
            (o, v) => o with { BleuEvery = v }),
    ];
}
