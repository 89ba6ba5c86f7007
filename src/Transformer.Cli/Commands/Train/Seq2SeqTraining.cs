using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;
using ValidationResult = Transformer.Models.Training.ValidationResult;

namespace Transformer.Cli.Commands.Train;

/// <summary>One run of <c>train seq2seq</c>.</summary>
/// <param name="options">What to train, and how.</param>
/// <param name="settings">The same as they are kept for resuming.</param>
/// <param name="folder">Where to.</param>
/// <param name="backend">What on.</param>
/// <param name="console">Shows it.</param>
internal sealed class Seq2SeqTraining(
    Seq2SeqTrainOptions options, IReadOnlyDictionary<string, string> settings,
    TrainingFolder folder, Backend backend, IAnsiConsole console)
{
    private TrainingEnd end;
    private TrainingState state = new();
    private TrainingProgress last;
    private IReadOnlyList<ValidationResult> validations = [];
    private TranslationScores? scores;
    private int validationCount;

    /// <summary>Trains, or goes on training, and saves the best weights.</summary>
    /// <returns>The exit code.</returns>
    public int Run(bool resume, CancellationToken cancellation)
    {
        TrainingText text = TrainingText.Load(options);
        if (text.Validation is null && (options.BleuEvery > 0 || BestByBleu))
        {
            throw new ArgumentException("train seq2seq: BLEU needs validation files. Give " +
                "--valid-source and --valid-target.");
        }

        (Tokenizer source, Tokenizer target) = text.TrainTokenizers(options, cancellation);
        Seq2SeqConfig config = options.Config(source.VocabularySize, target.VocabularySize);
        ParallelDataset training = Encode(text.Training);
        if (options.LongPairs == LongPairs.Drop)
            text = text.WithoutLongValidation(source, target, config.MaxPositions);
        ParallelDataset? validation = text.Validation is null ? null : Encode(text.Validation);
        using Translator translator =
            new(new Seq2SeqTransformer(config, backend, options.Training.Seed), source, target);
        using Seq2SeqTrainer trainer = new(
            translator.Model, training, validation, options.Training, folder.Checkpoints);
        if (options.BleuEvery > 0 || BestByBleu)
            trainer.Metrics = () => Bleu(translator, text.Validation!, cancellation);
        if (!resume) folder.WriteSettings(settings);
        Describe(translator, training);
        Train(trainer, translator, resume, cancellation);
        if (end == TrainingEnd.Cancelled) return Interrupted();
        Finish(trainer, translator, text, cancellation);
        return Application.Done;

        ParallelDataset Encode(IReadOnlyList<(string, string)> pairs) => ParallelDataset.Encode(
            pairs, source, target, config.MaxPositions, options.LongPairs);
    }

    /// <summary>Writes what came of it.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("folder", folder.Path);
        json.WriteString("backend", backend.Name);
        json.WriteString("end", end.ToString().ToLowerInvariant());
        json.WriteNumber("steps", state.Step);
        json.WriteNumber("epochs", state.Epoch);
        json.WriteNumber("bestStep", state.BestStep);
        json.WriteNumber("seconds", state.Seconds);
        json.WriteNumber("tokens", state.TokensSeen);
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
        if (scores is not null)
        {
            json.WriteStartObject("validation");
            scores.WriteJson(json);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private bool BestByBleu => options.Training.BestBy == TrainSettings.BleuName;

    private void Describe(Translator translator, ParallelDataset training)
    {
        Seq2SeqConfig config = translator.Model.Config;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{training.Count} pairs, {training.TargetTokens} target tokens" +
            $"{(training.Dropped > 0 ? $", {training.Dropped} longer pairs left out" : "")}; " +
            $"vocabularies {config.SourceVocabulary} and {config.TargetVocabulary}; " +
            $"{translator.Model.Parameters.Count:N0} parameters; on {backend.Name}"));
    }

    private void Train(
        Seq2SeqTrainer trainer, Translator translator, bool resume, CancellationToken cancellation)
    {
        end = TrainingDisplay.Run(console, display =>
        {
            display.OnBest = () => translator.Save(folder.Path);
            if (resume)
            {
                string? from = trainer.Resume(display);
                console.WriteLine(from is null
                    ? "no checkpoint yet: from the start" : $"resumed from {from}");
                folder.WriteSettings(settings);
            }

            TrainingEnd reached = trainer.Run(display, cancellation);
            validations = display.Validations;
            last = display.Last;
            return reached;
        });
        state = trainer.State;
    }

    private int Interrupted()
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"interrupted at step {state.Step}; go on with --resume; saved in " +
            $"{folder.Checkpoints.Path}"));
        return Application.Interrupted;
    }

    private void Finish(
        Seq2SeqTrainer trainer, Translator translator, TrainingText text,
        CancellationToken cancellation)
    {
        if (state.BestStep > 0) trainer.RestoreBest();
        translator.Save(folder.Path);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"ended after {state.Step} steps, {state.Epoch} epochs, {state.Seconds:F1} s " +
            $"(limit: {end.ToString().ToLowerInvariant()}); weights of step " +
            $"{(state.BestStep > 0 ? state.BestStep : state.Step)} in {folder.Path}"));
        if (text.Validation is null) return;
        scores = TranslationScores.Measure(
            translator, text.Validation, GenerationOptions.Greedy, cancellation);
        foreach (string line in scores.Lines()) console.WriteLine(line);
    }

    private Dictionary<string, double> Bleu(
        Translator translator, IReadOnlyList<(string Source, string Target)> pairs,
        CancellationToken cancellation)
    {
        bool due = BestByBleu || ++validationCount % options.BleuEvery == 0;
        if (!due) return [];
        List<string> translations = TranslationScores.Translate(
            translator, [.. pairs.Select(p => p.Source)], GenerationOptions.Greedy, cancellation);
        return new()
        {
            [TrainSettings.BleuName] =
                Models.Text.Bleu.Corpus(translations, [.. pairs.Select(p => p.Target)]).Score,
        };
    }
}
