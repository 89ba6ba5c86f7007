using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>Keeps what a training reports; may act after a step.</summary>
internal sealed class RecordingObserver : ITrainingObserver
{
    public List<TrainingProgress> Steps { get; } = [];

    public List<(ValidationResult Result, bool Best)> Validations { get; } = [];

    public List<string> Files { get; } = [];

    public List<DamagedCheckpoint> Damaged { get; } = [];

    public Action<long>? AfterStep { get; init; }

    public void Stepped(in TrainingProgress progress)
    {
        Steps.Add(progress);
        AfterStep?.Invoke(progress.Step);
    }

    public void Validated(ValidationResult result, bool best) => Validations.Add((result, best));

    public void Saved(string path) => Files.Add(Path.GetFileName(path));

    public void PassedOver(DamagedCheckpoint checkpoint) => Damaged.Add(checkpoint);
}
