using System.CommandLine;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary><c>translate</c>.</summary>
internal static class TranslateCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("translate", "Translate with a trained model.")
        {
            model, backend, json,
        };
        TextInput text = new(command, "translate", "Sentence");
        GenerationFlags generation = new(command);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            GenerationOptions options = generation.Read(parsed);
            using Translator translator = Translator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            List<(string Text, string Translation)> all = [];
            foreach (IReadOnlyList<string> lines in text.Batches(parsed))
            {
                NoteUnknownWords(
                    lines, translator.SourceTokenizer, parsed.InvocationConfiguration.Error);
                List<string> translations = TranslationScores.Translate(
                    translator, lines, options, cancellation);
                all.AddRange(lines.Zip(translations));
                if (result.OwnsStandardOutput) continue;
                foreach (string line in translations) output.WriteLine(line);
            }

            result.WriteTexts(output, "translation", all);
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    /// <summary>Says on standard error which words the model does not know.</summary>
    public static void NoteUnknownWords(
        IEnumerable<string> lines, ITokenizer tokenizer, TextWriter error)
    {
        const int Shown = 5;
        string[] unknown = [.. lines
            .SelectMany(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Distinct().Where(w => tokenizer.Encode(w).Contains(tokenizer.Special.Unknown))];
        if (unknown.Length == 0) return;
        string more = unknown.Length > Shown ? $" and {unknown.Length - Shown} more" : "";
        string words = PlainText.OneLine(string.Join(", ", unknown.Take(Shown)));
        error.WriteLine(
            $"note: unknown to the model, read as {SpecialTokens.UnknownName}: {words}{more}");
    }
}
