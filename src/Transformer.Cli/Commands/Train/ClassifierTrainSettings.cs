using Transformer.Models.Training;
using Setting = Transformer.Cli.Commands.Train.TrainSetting<
    Transformer.Cli.Commands.Train.ClassifierTrainOptions>;

namespace Transformer.Cli.Commands.Train;

/// <summary>All settings of <c>train classifier</c>: one table for flags, files and help.
/// </summary>
internal static class ClassifierTrainSettings
{
    /// <summary>In the order of the help.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        Setting.Text("data", "FILE", "Examples, one a line: class, tab, text, perhaps tab and a " +
            "second text; every tenth of a class validates.",
            (o, v) => o with { Data = v }),
        Setting.Text("base", "FOLDER", "Model that was pre-trained, with its tokenizer.",
            (o, v) => o with { Base = v }),
        .. TrainingSettings.Of<ClassifierTrainOptions>(),
        Setting.Choice("best-by", "What the best weights go by (loss).",
            [("loss", ValidationResult.LossName), ("accuracy", ValidationResult.AccuracyName)],
            (o, v) => o with { Training = o.Training with { BestBy = v } }),
    ];
}
