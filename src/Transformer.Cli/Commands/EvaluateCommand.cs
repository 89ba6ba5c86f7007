using System.CommandLine;
using Spectre.Console;
using Transformer.Cli.Commands.Train;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Cli.Commands;

/// <summary><c>evaluate</c>: a model against known translations.</summary>
internal static class EvaluateCommand
{
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
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "evaluate", "Loss, token accuracy, exact match and BLEU (sacreBLEU's 13a) of a model.")
        {
            model, source, target, corpus, backend, json,
        };
        GenerationFlags generation = new(command);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            GenerationOptions options = generation.Read(parsed);
            IReadOnlyList<(string, string)> pairs = Pairs(
                parsed.GetValue(corpus), parsed.GetValue(source), parsed.GetValue(target));
            using Translator translator = Translator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            TranslationScores scores =
                TranslationScores.Measure(translator, pairs, options, cancellation);
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
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
            throw new ArgumentException("evaluate: expected --source FILE and --target FILE, or " +
                "--corpus builtin alone.");
        }

        return corpus is null
            ? TextFiles.ReadParallel(source!, target!)
            : TrainingText.Pairs(EnglishRussianCorpus.Generate().Test);
    }
}
