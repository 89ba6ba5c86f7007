using Transformer.Models;
using Transformer.Models.Training;
using Setting = Transformer.Cli.Commands.Train.TrainSetting<
    Transformer.Cli.Commands.Train.GptTrainOptions>;

namespace Transformer.Cli.Commands.Train;

/// <summary>All settings of <c>train gpt</c>: one table for flags, files and help.</summary>
internal static class GptTrainSettings
{
    /// <summary>In the order of the help, in which they are applied: flags of the model change the
    /// preset.</summary>
    public static IReadOnlyList<Setting> All { get; } =
        [.. DataAndModel(), .. TrainingSettings.Of<GptTrainOptions>(), BestBy()];

    private static Setting[] DataAndModel() =>
    [
        Setting.Text("data", "FILE", "Text to learn, UTF-8; its last tenth validates.",
            (o, v) => o with { Data = v }),
        Setting.Choice("preset", "Shape of the model, which the flags below change (nanogpt-cpu).",
            [.. GptConfig.Presets.Select(p => (p.Key, p.Value))],
            (o, v) => o with { Model = v }),
        Setting.Whole("layers", "Layers.",
            (o, v) => o with { Model = o.Model with { Layers = v } }),
        Setting.Whole("heads", "Attention heads.",
            (o, v) => o with { Model = o.Model with { Heads = v } }),
        Setting.Whole("width", "Width of a token's vector.",
            (o, v) => o with { Model = o.Model with { Width = v } }),
        Setting.Whole("positions", "Most tokens seen at once, and tokens of a window of training.",
            (o, v) => o with { Model = o.Model with { Positions = v } }),
        Setting.Choice("position-kind", "How positions are marked (learned).",
            PositionKindWords.All,
            (o, v) => o with { Model = o.Model with { PositionKind = v } }),
        Setting.Number("dropout", "Share of elements dropped in training (0).",
            (o, v) => o with { Model = o.Model with { Dropout = v } }),
    ];

    private static Setting BestBy() => Setting.Choice(
        "best-by", "What the best weights go by (loss).",
        [("loss", ValidationResult.LossName), ("accuracy", ValidationResult.AccuracyName)],
        (o, v) => o with { Training = o.Training with { BestBy = v } });
}
