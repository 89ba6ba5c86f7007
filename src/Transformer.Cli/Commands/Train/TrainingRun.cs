using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Models.Training;
using ValidationResult = Transformer.Models.Training.ValidationResult;

namespace Transformer.Cli.Commands.Train;

/// <summary>What a training is given by the command line.</summary>
/// <param name="Settings">What to train, and how, as it is kept for resuming.</param>
/// <param name="Folder">Where to.</param>
/// <param name="Backend">What on.</param>
/// <param name="Console">Shows it.</param>
internal sealed record TrainingPlace(
    IReadOnlyDictionary<string, string> Settings, TrainingFolder Folder, Backend Backend,
    IAnsiConsole Console);

/// <summary>One run of <c>train</c>: what all kinds of models have in common.</summary>
internal abstract class TrainingRun(TrainingPlace place)
{
    private IReadOnlyList<ValidationResult> validations = [];
    private TrainingProgress last;

    protected TrainingPlace Place => place;

    /// <summary>What a validation's accuracy is called.</summary>
    protected virtual string Accuracy => "token accuracy";

    protected IAnsiConsole Console => place.Console;

    protected TrainingEnd End { get; private set; }

    protected TrainingState State { get; private set; } = new();

    /// <summary>Trains, or goes on training, and saves the best weights.</summary>
    /// <returns>The exit code.</returns>
    public abstract int Run(bool resume, CancellationToken cancellation);

    /// <summary>Writes what came of it.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("folder", place.Folder.Path);
        json.WriteString("backend", place.Backend.Name);
        json.WriteString("end", End.ToString().ToLowerInvariant());
        json.WriteNumber("steps", State.Step);
        json.WriteNumber("epochs", State.Epoch);
        json.WriteNumber("bestStep", State.BestStep);
        json.WriteNumber("seconds", State.Seconds);
        json.WriteNumber("tokens", State.TokensSeen);
        if (double.IsFinite(last.SmoothedLoss)) json.WriteNumber("loss", last.SmoothedLoss);
        json.WriteStartArray("validations");
        foreach (ValidationResult result in validations)
        {
            json.WriteStartObject();
            json.WriteNumber("step", result.Step);
            json.WriteNumber("loss", result.Loss);
            json.WriteNumber("tokenAccuracy", result.Accuracy);
            foreach ((string name, double value) in result.Metrics) json.WriteNumber(name, value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteResult(json);
        json.WriteEndObject();
    }

    /// <summary>Further properties of the result.</summary>
    protected virtual void WriteResult(Utf8JsonWriter json)
    {
    }

    /// <summary>Trains with a display; a training that was interrupted is only saved.</summary>
    /// <param name="trainer">The training.</param>
    /// <param name="save">Writes the model as it is into the folder.</param>
    /// <param name="resume">Whether to go on from the folder's checkpoints.</param>
    /// <param name="cancellation">Interrupts.</param>
    /// <returns>Whether it came to its end; the model then has its best weights.</returns>
    protected bool Train(
        Trainer trainer, Action save, bool resume, CancellationToken cancellation)
    {
        End = TrainingDisplay.Run(Console, display =>
        {
            (display.OnBest, display.Accuracy) = (save, Accuracy);
            if (resume)
            {
                string? from = trainer.Resume(display);
                Console.WriteLine(from is null
                    ? "no checkpoint yet: from the start" : $"resumed from {from}");
                place.Folder.WriteSettings(place.Settings);
            }

            TrainingEnd reached = trainer.Run(display, cancellation);
            validations = display.Validations;
            last = display.Last;
            return reached;
        });
        State = trainer.State;
        if (End == TrainingEnd.Cancelled)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"interrupted at step {State.Step}; go on with --resume; saved in " +
                $"{place.Folder.Checkpoints.Path}"));
            return false;
        }

        if (State.BestStep > 0) trainer.RestoreBest();
        save();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"ended after {State.Step} steps, {State.Epoch} epochs, {State.Seconds:F1} s " +
            $"(limit: {End.ToString().ToLowerInvariant()}); weights of step " +
            $"{(State.BestStep > 0 ? State.BestStep : State.Step)} in {place.Folder.Path}"));
        return true;
    }
}
