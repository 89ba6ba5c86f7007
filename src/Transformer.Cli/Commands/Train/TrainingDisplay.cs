using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Transformer.Models.Training;
using ValidationResult = Transformer.Models.Training.ValidationResult;

namespace Transformer.Cli.Commands.Train;

/// <summary>Shows a training as it goes on: a bar on a terminal, a line now and then elsewhere.
/// </summary>
internal sealed class TrainingDisplay : ITrainingObserver
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(100);

    private readonly IAnsiConsole console;
    private readonly ProgressTask? bar;
    private readonly List<ValidationResult> validations = [];
    private long shown;

    private TrainingDisplay(IAnsiConsole console, ProgressTask? bar)
    {
        this.console = console;
        this.bar = bar;
    }

    /// <summary>All validations so far.</summary>
    public IReadOnlyList<ValidationResult> Validations => validations;

    /// <summary>The newest step.</summary>
    public TrainingProgress Last { get; private set; }

    /// <summary>Called at each new best, before it is shown.</summary>
    public Action? OnBest { get; set; }

    /// <summary>What a validation's accuracy is called.</summary>
    public string Accuracy { get; set; } = "accuracy";

    /// <summary>Runs a training with a display.</summary>
    public static T Run<T>(IAnsiConsole console, Func<TrainingDisplay, T> train)
    {
        if (!console.Profile.Capabilities.Interactive) return train(new(console, null));
        T result = default!;
        console.Progress().Columns(
                new ProgressBarColumn { Width = 10 },
                new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
                result = train(new(console, context.AddTask("compiling", maxValue: 1))));
        return result;
    }

    /// <inheritdoc/>
    public void Stepped(in TrainingProgress progress)
    {
        Last = progress;
        bool due = shown == 0 ||
            Stopwatch.GetElapsedTime(shown) >= (bar is null ? LineInterval : BarInterval);
        if (!due && progress.Done < 1) return;
        shown = Stopwatch.GetTimestamp();
        if (bar is null)
        {
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{100 * progress.Done,3:F0} %  {Line(progress)}"));
            return;
        }

        bar.Value = progress.Done;
        bar.Description = Markup.Escape(ShortLine(progress));
    }

    /// <inheritdoc/>
    public void Validated(ValidationResult result, bool best)
    {
        validations.Add(result);
        if (best) OnBest?.Invoke();
        string metrics = string.Concat(result.Metrics.Select(m =>
            string.Create(CultureInfo.InvariantCulture, $", {m.Key} {m.Value:F2}")));
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"step {result.Step}: validation loss {result.Loss:F4}, perplexity " +
            $"{result.Perplexity:F3}, {Accuracy} {100 * result.Accuracy:F2} %{metrics}" +
            $"{(best ? ", best so far" : "")}"));
    }

    /// <inheritdoc/>
    public void PassedOver(DamagedCheckpoint checkpoint) =>
        console.WriteLine($"passed over: {checkpoint.Reason}");

    /// <summary>Fits an 80-column terminal beside a bar of ten cells.</summary>
    private static string ShortLine(in TrainingProgress p) => string.Create(
        CultureInfo.InvariantCulture,
        $"{100 * p.Done,3:F0} % step {p.Step} loss {p.SmoothedLoss:F3} " +
        $"{p.TokensPerSecond:N0} tok/s left {Left(p)}");

    private static string Left(in TrainingProgress p) => p.TimeLeft is not { } time
        ? "unknown" : string.Create(
            CultureInfo.InvariantCulture, $"{Math.Floor(time.TotalHours)}:{time:mm\\:ss}");

    private static string Line(in TrainingProgress p)
    {
        return string.Create(CultureInfo.InvariantCulture,
            $"epoch {p.Epoch + 1}, step {p.Step}, loss {p.SmoothedLoss:F3}, rate " +
            $"{p.LearningRate:0.00e0}, {p.TokensPerSecond:N0} tokens/s, left {Left(p)}");
    }
}
