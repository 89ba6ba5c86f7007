using Transformer.Models.Layers;
using Transformer.Models.Training;
using Transformer.Ops;

namespace Transformer.Cli.Commands.Train;

/// <summary>All settings of <c>train seq2seq</c>: one table for flags, files and help.</summary>
internal static class TrainSettings
{
    /// <summary>The name of BLEU among the figures of a validation.</summary>
    public const string BleuName = "bleu";

    /// <summary>In the order of the help.</summary>
    public static IReadOnlyList<TrainSetting> All { get; } = [.. Data(), .. Model(), .. Training()];

    private static TrainSetting[] Data() =>
    [
        TrainSetting.Choice("corpus", "builtin: English-Russian sentences that come with " +
            "the library; the default where no --source is given.",
            [("builtin", "builtin")], (o, v) => o with { Corpus = v }),
        TrainSetting.Text("source", "FILE", "Sentences to learn from, one a line.",
            (o, v) => o with { Source = v }),
        TrainSetting.Text("target", "FILE", "Their translations, one a line.",
            (o, v) => o with { Target = v }),
        TrainSetting.Text("valid-source", "FILE", "Sentences to validate with.",
            (o, v) => o with { ValidSource = v }),
        TrainSetting.Text("valid-target", "FILE", "Their translations.",
            (o, v) => o with { ValidTarget = v }),
        TrainSetting.Choice("long-pairs", "Pairs longer than the position table (default: refuse).",
            [("refuse", LongPairs.Refuse), ("drop", LongPairs.Drop)],
            (o, v) => o with { LongPairs = v }),
        TrainSetting.Choice("tokenizer", "word: one a language (default); bpe: joint byte pairs.",
            [("word", "word"), ("bpe", "bpe")], (o, v) => o with { Tokenizer = v }),
        TrainSetting.Whole("vocabulary", "Most tokens; by default every word, or 10000 pieces.",
            (o, v) => o with { Vocabulary = v }),
        TrainSetting.Flag("lowercase", "Fold words to lower case.",
            (o, v) => o with { Lowercase = v }),
    ];

    private static TrainSetting[] Model() =>
    [
        TrainSetting.Whole("layers", "Layers of the encoder and of the decoder (2).",
            (o, v) => o with { Model = o.Model with { EncoderLayers = v, DecoderLayers = v } }),
        TrainSetting.Whole("width", "Width of a token's vector (128).",
            (o, v) => o with { Model = o.Model with { Width = v } }),
        TrainSetting.Whole("heads", "Attention heads (4).",
            (o, v) => o with { Model = o.Model with { Heads = v } }),
        TrainSetting.Whole("feed-forward", "Width inside the feed-forward blocks (4 x width).",
            (o, v) => o with { FeedForward = v }),
        TrainSetting.Whole("max-positions", "Longest sentence in tokens (128).",
            (o, v) => o with { Model = o.Model with { MaxPositions = v } }),
        TrainSetting.Number("dropout", "Share of elements dropped in training (0.1).",
            (o, v) => o with { Model = o.Model with { Dropout = v } }),
        TrainSetting.Choice("norm", "Where the norms stand (pre).",
            [("pre", NormPlacement.Pre), ("post", NormPlacement.Post)],
            (o, v) => o with { Model = o.Model with { Norm = v } }),
        TrainSetting.Choice("positions", "Kind of positions (sinusoidal).",
            [("sinusoidal", PositionKind.Sinusoidal), ("learned", PositionKind.Learned)],
            (o, v) => o with { Model = o.Model with { Positions = v } }),
        TrainSetting.Choice("activation", "Inside the feed-forward blocks (relu).",
            [
                ("relu", Activation.Relu), ("gelu", Activation.Gelu),
                ("gelu-tanh", Activation.GeluTanh),
            ],
            (o, v) => o with { Model = o.Model with { Activation = v } }),
        TrainSetting.Choice("tie", "Which tables are one: by default all with bpe, else output.",
            [("none", Tying.None), ("output", Tying.Output), ("all", Tying.All)],
            (o, v) => o with { Tie = v }) with { Implied = "all" },
    ];

    private static TrainSetting[] Training() =>
    [
        TrainSetting.Training("epochs", "Passes over the data; 10 where there is no other limit."),
        TrainSetting.Training("steps", "Updates of the weights.", "maxSteps"),
        TrainSetting.Training("minutes", "Minutes of training.", "maxMinutes"),
        TrainSetting.Training("tokens-per-batch", "Most padded tokens of a batch (2048)."),
        TrainSetting.Training("accumulate", "Batches of one update (1).", "accumulationSteps"),
        TrainSetting.Training("learning-rate", "Rate at the end of the warm-up (1e-3)."),
        TrainSetting.Training("schedule", "inverseSquareRoot (default), cosine or constant."),
        TrainSetting.Training("warmup", "Updates until the full rate (400).", "warmupSteps"),
        TrainSetting.Training("min-learning-rate", "Last rate of the cosine schedule (0)."),
        TrainSetting.Training("schedule-steps", "Where the cosine ends; 0: at the last update."),
        TrainSetting.Training("label-smoothing", "Weight of the uniform distribution (0.1)."),
        TrainSetting.Training("clip", "Largest norm of the gradient (1); 0: any.", "clipNorm"),
        TrainSetting.Training("weight-decay", "AdamW's decay (0)."),
        TrainSetting.Training("beta1", "AdamW (0.9)."),
        TrainSetting.Training("beta2", "AdamW (0.98)."),
        TrainSetting.Training("epsilon", "AdamW (1e-9)."),
        TrainSetting.Training("validate-every", "Updates; 0: after each epoch (0)."),
        TrainSetting.Choice("best-by", "What the best weights go by (loss).",
            [("loss", ValidationResult.LossName), ("accuracy", ValidationResult.AccuracyName),
                ("bleu", BleuName)],
            (o, v) => o with { Training = o.Training with { BestBy = v } }),
        TrainSetting.Training("patience", "Validations without a new best until the end; 0: any."),
        TrainSetting.Training("checkpoint-every", "Updates; 0: after each epoch (0)."),
        TrainSetting.Training("keep", "Newest checkpoints kept, besides the best (3).",
            "keepCheckpoints"),
        TrainSetting.Training("seed", "Of weights, dropout and the order of the data (1)."),
        TrainSetting.Whole("bleu-every", "Validations between greedy BLEU; 0: only at the end (0).",
            (o, v) => o with { BleuEvery = v }),
    ];
}
