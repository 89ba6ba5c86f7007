using System.Globalization;
using System.Text.Json;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Cli;

/// <summary>How well a translator does on sentences with known translations.</summary>
/// <param name="Sentences">Pairs measured.</param>
/// <param name="Tokens">Loss and accuracy of each true token, given those before it.</param>
/// <param name="ExactMatches">Translations equal to the known one, white space apart.</param>
/// <param name="Bleu">BLEU of the translations.</param>
/// <param name="Translations">The translations themselves.</param>
internal sealed record TranslationScores(
    int Sentences, EvaluationResult Tokens, int ExactMatches, BleuScore Bleu,
    IReadOnlyList<string> Translations)
{
    /// <summary>Share of exact matches, in [0, 1].</summary>
    public double ExactShare => (double)ExactMatches / Sentences;

    /// <summary>Measures a translator.</summary>
    /// <exception cref="ArgumentException">A sentence is longer than the model's positions.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static TranslationScores Measure(
        Translator translator, IReadOnlyList<(string Source, string Target)> pairs,
        GenerationOptions generation, CancellationToken cancellation)
    {
        ParallelDataset dataset = ParallelDataset.Encode(
            pairs, translator.SourceTokenizer, translator.TargetTokenizer,
            translator.Model.Config.MaxPositions);
        EvaluationResult tokens =
            new Seq2SeqEvaluator(translator.Model, dataset).Run(cancellation);
        List<string> translations = Translate(
            translator, [.. pairs.Select(p => p.Source)], generation, cancellation);
        string[] references = [.. pairs.Select(p => p.Target)];
        int exact = Enumerable.Range(0, pairs.Count)
            .Count(i => Normal(translations[i]) == Normal(references[i]));
        return new(pairs.Count, tokens, exact, Models.Text.Bleu.Corpus(translations, references),
            translations);
    }

    /// <summary>Translates in parts, so that it can be cancelled between them.</summary>
    public static List<string> Translate(
        Translator translator, IReadOnlyList<string> lines, GenerationOptions generation,
        CancellationToken cancellation)
    {
        const int Part = 512;
        List<string> translations = new(lines.Count);
        foreach (string[] part in lines.Chunk(Part))
        {
            cancellation.ThrowIfCancellationRequested();
            translations.AddRange(translator.Translate(part, generation));
        }

        return translations;
    }

    /// <summary>The figures, for people.</summary>
    public IEnumerable<string> Lines()
    {
        yield return Invariant($"{Sentences} sentences, {Tokens.Tokens} target tokens");
        yield return Invariant(
            $"loss {Tokens.Loss:F4} nats a token, perplexity {Tokens.Perplexity:F3}");
        yield return Invariant($"token accuracy {100 * Tokens.Accuracy:F2} %");
        yield return Invariant(
            $"exact match {100 * ExactShare:F2} % ({ExactMatches} of {Sentences})");
        yield return Bleu.ToString();
    }

    /// <summary>The figures, for machines.</summary>
    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteNumber("sentences", Sentences);
        json.WriteNumber("tokens", Tokens.Tokens);
        json.WriteNumber("loss", Tokens.Loss);
        if (double.IsFinite(Tokens.Perplexity))
            json.WriteNumber("perplexity", Tokens.Perplexity);
        json.WriteNumber("tokenAccuracy", Tokens.Accuracy);
        json.WriteNumber("exactMatch", ExactShare);
        json.WriteNumber("bleu", Bleu.Score);
        json.WriteString("bleuLine", Bleu.ToString());
    }

    private static string Normal(string sentence) => string.Join(
        ' ', sentence.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Invariant(FormattableString text) =>
        text.ToString(CultureInfo.InvariantCulture);
}
