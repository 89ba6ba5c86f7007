using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>One run of <c>train seq2seq</c>.</summary>
internal sealed class Seq2SeqTraining(Seq2SeqTrainOptions options, TrainingPlace place)
    : TrainingRun(place)
{
    private TranslationScores? scores;
    private int validationCount;

    /// <inheritdoc/>
    public override int Run(bool resume, CancellationToken cancellation)
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
        using Translator translator = new(
            new Seq2SeqTransformer(config, Place.Backend, options.Training.Seed), source, target);
        using Seq2SeqTrainer trainer = new(
            translator.Model, training, validation, options.Training, Place.Folder.Checkpoints);
        if (options.BleuEvery > 0 || BestByBleu)
            trainer.Metrics = () => Bleu(translator, text.Validation!, cancellation);
        if (!resume) Place.Folder.WriteSettings(Place.Settings);
        Describe(translator, training);
        if (!Train(trainer, () => translator.Save(Place.Folder.Path), resume, cancellation))
            return Application.Interrupted;
        Score(translator, text, cancellation);
        return Application.Done;

        ParallelDataset Encode(IReadOnlyList<(string, string)> pairs) => ParallelDataset.Encode(
            pairs, source, target, config.MaxPositions, options.LongPairs);
    }

    /// <inheritdoc/>
    protected override void WriteResult(Utf8JsonWriter json)
    {
        if (scores is null) return;
        json.WriteStartObject("validation");
        scores.WriteJson(json);
        json.WriteEndObject();
    }

    private bool BestByBleu => options.Training.BestBy == Seq2SeqTrainSettings.BleuName;

    private void Describe(Translator translator, ParallelDataset training)
    {
        Seq2SeqConfig config = translator.Model.Config;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{training.Count} pairs, {training.TargetTokens} target tokens" +
            $"{(training.Dropped > 0 ? $", {training.Dropped} longer pairs left out" : "")}; " +
            $"vocabularies {config.SourceVocabulary} and {config.TargetVocabulary}; " +
            $"{translator.Model.Parameters.Count:N0} parameters; on {Place.Backend.Name}"));
    }

    private void Score(
        Translator translator, TrainingText text, CancellationToken cancellation)
    {
        if (text.Validation is null) return;
        scores = TranslationScores.Measure(
            translator, text.Validation, GenerationOptions.Greedy, cancellation);
        foreach (string line in scores.Lines()) Console.WriteLine(line);
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
            [Seq2SeqTrainSettings.BleuName] =
                Models.Text.Bleu.Corpus(translations, [.. pairs.Select(p => p.Target)]).Score,
        };
    }
}
