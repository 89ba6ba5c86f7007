using System.Globalization;
using System.Text.Json;
using Transformer.Backends;
using Transformer.Cli.Commands.Train;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli;

/// <summary>How well a model knows a text: a decoder-only model its next tokens, an encoder-only
/// one its masked tokens and what follows what, a classifier its classes.</summary>
/// <param name="What">What is predicted.</param>
/// <param name="Result">Loss and accuracy of it.</param>
/// <param name="More">Further figures by their names.</param>
internal sealed record TextScores(
    string What, EvaluationResult Result, IReadOnlyList<(string Name, double Value)> More)
{
    /// <summary>Measures the model of a folder.</summary>
    /// <param name="model">The folder.</param>
    /// <param name="file">A text; sentences, documents parted by empty lines; or examples, as the
    /// trainings take them.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ArgumentException">The text is too short, or the model a translator.
    /// </exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static TextScores Measure(
        string model, string file, Backend backend, CancellationToken cancellation) =>
        ModelKinds.Of(model) switch
        {
            ModelKind.TextGenerator => Tokens(model, file, backend, cancellation),
            ModelKind.MaskFiller => Masks(model, file, backend, cancellation),
            ModelKind.TextClassifier => Classes(model, file, backend, cancellation),
            _ => throw new ArgumentException("evaluate: --data is for models of one text; " +
                $"'{model}' is a translator. Give --source FILE and --target FILE."),
        };

    /// <summary>The figures, for people.</summary>
    public string Line() => string.Create(CultureInfo.InvariantCulture,
        $"loss {Result.Loss:F4}, perplexity {Result.Perplexity:F3}, accuracy " +
        $"{100 * Result.Accuracy:F2} % on {Result.Tokens} {What}") + string.Concat(More.Select(
            figure => string.Create(
                CultureInfo.InvariantCulture, $", {figure.Name} {figure.Value:F4}")));

    /// <summary>The figures, for machines: one object.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("of", What);
        json.WriteNumber("count", Result.Tokens);
        json.WriteNumber("loss", Result.Loss);
        json.WriteNumber("accuracy", Result.Accuracy);
        foreach ((string name, double value) in More) json.WriteNumber(name, value);
        json.WriteEndObject();
    }

    private static TextScores Tokens(
        string model, string file, Backend backend, CancellationToken cancellation)
    {
        using TextGenerator generator = TextGenerator.Load(model, backend);
        TokenDataset text = new(generator.Tokenizer.Encode(TextFiles.ReadText(file)));
        return new("tokens", new GptEvaluator(generator.Model, text).Run(cancellation), []);
    }

    private static TextScores Masks(
        string model, string file, Backend backend, CancellationToken cancellation)
    {
        using MaskFiller filler = MaskFiller.Load(model, backend);
        SentenceDataset sentences =
            SentenceDataset.Encode(TextFiles.ReadLines(file), filler.Tokenizer);
        BertEvaluation scored = new BertEvaluator(
            filler.Model, sentences, new(filler.Tokenizer)).Run(cancellation);
        return new("masked tokens", scored.Masked,
        [
            (BertTrainer.NextLossName, scored.NextLoss),
            (BertTrainer.NextAccuracyName, scored.NextAccuracy),
        ]);
    }

    private static TextScores Classes(
        string model, string file, Backend backend, CancellationToken cancellation)
    {
        using TextClassifier classifier = TextClassifier.Load(model, backend);
        ClassificationDataset texts = ClassificationDataset.Encode(
            ClassifierTraining.ReadExamples(file), classifier.Model.Labels,
            classifier.Tokenizer, classifier.Model.Positions);
        return new("texts", ClassifierTrainer.Evaluate(
            classifier.Model, texts, cancellation: cancellation), []);
    }
}
