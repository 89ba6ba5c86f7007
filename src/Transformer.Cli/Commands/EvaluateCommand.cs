using System.CommandLine;
using Spectre.Console;
using Transformer.Cli.Commands.Train;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Cli.Commands;

/// <summary><c>evaluate</c>: a translator against known translations, or another model on a text.
/// </summary>
internal static class EvaluateCommand
{
    private const string Sources = "evaluate: expected --source FILE and --target FILE, or " +
        "--corpus builtin alone, or --data FILE alone.";

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string?> source = new("--source")
        {
            Description = "File of sentences, one a line.",
            HelpName = "FILE",
        };
        Option<string?> target = new("--target")
        {
            Description = "File of their translations.",
            HelpName = "FILE",
        };
        Option<string?> corpus = new("--corpus")
        {
            Description = "builtin: the test sentences of the corpus that comes with the library.",
            HelpName = "builtin",
        };
        corpus.AcceptOnlyFromAmong("builtin");
        Option<string?> data = new("--data")
        {
            Description = "Text of a model of one text, as its training takes it: loss and " +
                "accuracy of next tokens, of masked ones and of pairs, or of classes.",
            HelpName = "FILE",
        };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "evaluate", "Loss and accuracy of a model; a translator's exact matches and BLEU " +
                "(sacreBLEU's 13a).")
        {
            model, source, target, corpus, data, backend, json,
        };
        GenerationFlags generation = new(command);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            GenerationOptions options = generation.Read(parsed);
            if (parsed.GetValue(data) is { } text)
            {
                if (new[] { source, target, corpus }.Any(o => parsed.GetValue(o) is not null))
                    throw new ArgumentException(Sources);
                TextScores scored = TextScores.Measure(
                    parsed.GetRequiredValue(model), text,
                    CommonOptions.Resolve(parsed.GetValue(backend)), cancellation);
                console.WriteLine(scored.Line());
                result.Write(output, scored.WriteJson);
                return Application.Done;
            }

            IReadOnlyList<(string, string)> pairs = Pairs(
                parsed.GetValue(corpus), parsed.GetValue(source), parsed.GetValue(target));
            using Translator translator = Translator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            TranslationScores scores =
                TranslationScores.Measure(translator, pairs, options, cancellation);
            foreach (string line in scores.Lines()) console.WriteLine(line);
            result.Write(output, writer =>
            {
                writer.WriteStartObject();
                scores.WriteJson(writer);
                writer.WriteEndObject();
            });
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static IReadOnlyList<(string, string)> Pairs(
        string? corpus, string? source, string? target)
    {
        bool files = source is not null && target is not null;
        bool none = source is null && target is null;
        if (corpus is null ? !files : !none)
        {
            throw new ArgumentException(Sources);
        }

        return corpus is null
            ? TextFiles.ReadParallel(source!, target!)
            : TrainingText.Pairs(EnglishRussianCorpus.Generate().Test);
    }
}
