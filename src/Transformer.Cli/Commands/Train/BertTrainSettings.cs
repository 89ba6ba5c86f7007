using Transformer.Models;
using Transformer.Models.Training;
using Setting = Transformer.Cli.Commands.Train.TrainSetting<
    Transformer.Cli.Commands.Train.BertTrainOptions>;

namespace Transformer.Cli.Commands.Train;

/// <summary>All settings of <c>train bert</c>: one table for flags, files and help.</summary>
internal static class BertTrainSettings
{
    /// <summary>In the order of the help, in which they are applied: flags of the model change the
    /// preset.</summary>
    public static IReadOnlyList<Setting> All { get; } =
        [.. Data(), .. Model(), .. TrainingSettings.Of<BertTrainOptions>(), BestBy()];

    private static Setting[] Data() =>
    [
        Setting.Text("data", "FILE", "Sentences, one a line, an empty line after each document; " +
            "the last tenth validates.",
            (o, v) => o with { Data = v }),
        Setting.Text("tokenizer", "FILE", "tokenizer.json with [CLS], [SEP] and [MASK]; without " +
            "it the words of the text.",
            (o, v) => o with { Tokenizer = v }),
        Setting.Whole("vocabulary", "Most tokens of learned words; by default every word.",
            (o, v) => o with { Vocabulary = v }),
        Setting.Flag("lowercase", "Fold learned words to lower case.",
            (o, v) => o with { Lowercase = v }),
    ];

    private static Setting[] Model() =>
    [
        Setting.Choice("preset", "Shape of the model, which the flags below change (bert-tiny " +
            "with 128 positions).",
            [.. BertConfig.Presets.Select(p => (p.Key, p.Value))],
            (o, v) => o with { Model = v }),
        Setting.Whole("layers", "Layers.",
            (o, v) => o with { Model = o.Model with { Layers = v } }),
        Setting.Whole("heads", "Attention heads.",
            (o, v) => o with { Model = o.Model with { Heads = v } }),
        Setting.Whole("width", "Width of a token's vector.",
            (o, v) => o with { Model = o.Model with { Width = v } }),
        Setting.Whole("positions", "Tokens of a pair of texts, special ones included.",
            (o, v) => o with { Model = o.Model with { Positions = v } }),
        Setting.Choice("position-kind", "How positions are marked (learned).",
            PositionKindWords.All,
            (o, v) => o with { Model = o.Model with { PositionKind = v } }),
        Setting.Number("dropout", "Share of elements dropped in training (0.1).",
            (o, v) => o with { Model = o.Model with { Dropout = v } }),
    ];

    private static Setting BestBy() => Setting.Choice(
        "best-by", "What the best weights go by (loss, of masked tokens).",
        [
            ("loss", ValidationResult.LossName), ("accuracy", ValidationResult.AccuracyName),
            ("next-accuracy", BertTrainer.NextAccuracyName),
        ],
        (o, v) => o with { Training = o.Training with { BestBy = v } });
}
