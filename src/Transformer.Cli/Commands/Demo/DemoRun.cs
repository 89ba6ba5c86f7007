using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Commands.Train;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text.Corpus;
using Transformer.Verification;

namespace Transformer.Cli.Commands.Demo;

/// <summary>One run of <c>demo</c>.</summary>
/// <param name="console">Shows it.</param>
/// <param name="backend">What the model runs on.</param>
/// <param name="seed">Of weights, dropout and the order of the data.</param>
/// <param name="seconds">Limit of the training; null: all steps.</param>
internal sealed class DemoRun(IAnsiConsole console, Backend backend, ulong seed, double? seconds)
{
    /// <summary>Share of exact matches on unseen sentences that must be reached.</summary>
    private const double RequiredShare = 0.95;
    private const string Student = "I am a student", StudentTranslation = "Я студент";
    private const int Samples = 6;

    private static readonly TimeSpan BenchBudget = TimeSpan.FromSeconds(0.05);

    private readonly List<(string Part, TimeSpan Time)> parts = [];

    /// <summary>Runs all parts.</summary>
    /// <returns>0; 1 where parity or the translations fall short.</returns>
    public int Run(CancellationToken cancellation)
    {
        Part("devices", () => DevicesCommand.Print(console));
        bool parity = Part("parity of every kernel with the reference", () =>
        {
            List<ParityResult> results = VerifyCommand.Run(console, new(), cancellation);
            return results.All(r => !r.Failed) && results.Any(r => r.Passed);
        });
        EnglishRussianCorpus corpus = EnglishRussianCorpus.Generate();
        using Translator translator = Part("training",
            () => DemoTraining.Train(console, backend, corpus, seed, seconds, cancellation));
        TranslationScores scores = Part("unseen sentences",
            () => Evaluate(translator, corpus, cancellation));
        Part("from text to words", () => PipelineView.Print(console, translator, Student));
        Part("attention", () => ShowAttention(translator, corpus.Test[Samples].Source));
        Part("speed", () => BenchCommand.Run(
            console, new(Size: BenchSize.Base, Budget: BenchBudget) { WorkingSet = 0 },
            cancellation));
        return Summarize(parity, scores);
    }

    private TranslationScores Evaluate(
        Translator translator, EnglishRussianCorpus corpus, CancellationToken cancellation)
    {
        TranslationScores scores = TranslationScores.Measure(
            translator, TrainingText.Pairs(corpus.Test), GenerationOptions.Greedy, cancellation);
        foreach (string line in scores.Lines()) console.WriteLine(line);
        Table table = new Table().AddColumns("never seen in training", "translation", "");
        for (int i = 0; i < Samples; i++)
        {
            bool exact = scores.Translations[i] == corpus.Test[i].Target;
            table.AddRow(
                Markup.Escape(corpus.Test[i].Source), Markup.Escape(scores.Translations[i]),
                exact ? "exact" : Markup.Escape($"expected: {corpus.Test[i].Target}"));
        }

        console.Write(table);
        return scores;
    }

    private void ShowAttention(Translator translator, string sentence)
    {
        List<AttentionGrid> grids =
            AttentionReading.Of(translator, sentence, target: null);
        int last = translator.Model.Config.DecoderLayers;
        console.WriteLine("rows: words being written; columns: words read; per cent of attention");
        foreach (AttentionGrid grid in grids.Where(g => g.Kind == "cross" && g.Layer == last))
            HeatMap.Print(console, grid.Drawn);
    }

    private int Summarize(bool parity, TranslationScores scores)
    {
        bool student = scores.Translations[0] == StudentTranslation;
        bool learned = scores.ExactShare >= RequiredShare;
        console.WriteLine();
        foreach ((string part, TimeSpan time) in parts)
        {
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{time.TotalSeconds,7:F1} s  {part}"));
        }

        TimeSpan total = parts.Aggregate(TimeSpan.Zero, (sum, part) => sum + part.Time);
        bool passed = parity && student && learned;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{(passed ? "passed" : "FAILED")} in {total.TotalSeconds:F0} s: parity " +
            $"{(parity ? "everywhere" : "BROKEN")}; {100 * scores.ExactShare:F1} % of " +
            $"{scores.Sentences} unseen sentences exact (required: {100 * RequiredShare:F0} %); " +
            $"{Student} → {scores.Translations[0]}"));
        return passed ? Application.Done : Application.CheckFailed;
    }

    private void Part(string name, Action run) => Part(name, () =>
    {
        run();
        return true;
    });

    private T Part<T>(string name, Func<T> run)
    {
        console.WriteLine();
        console.WriteLine($"{parts.Count + 1}. {char.ToUpperInvariant(name[0])}{name[1..]}");
        Stopwatch watch = Stopwatch.StartNew();
        T result = run();
        parts.Add((name, watch.Elapsed));
        return result;
    }
}
