using System.CommandLine;
using System.Globalization;
using Transformer.Cli.Output;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary><c>classify</c>: the class of a text or of two.</summary>
internal static class ClassifyCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "classify", "Tell the class of texts with a model of 'train classifier'.")
        {
            model, backend, json,
        };
        TextInput text = new(command, "classify", "Text, or two parted by a tab");
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            using TextClassifier classifier = TextClassifier.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            List<(string Text, IReadOnlyList<ClassGuess> Guesses)> all = [];
            foreach (string line in text.Batches(parsed).SelectMany(lines => lines))
            {
                cancellation.ThrowIfCancellationRequested();
                string[] parts = line.Split('\t', 2);
                all.Add((line, classifier.Classify(
                    parts[0], parts.Length == 2 ? parts[1] : null)));
                if (result.OwnsStandardOutput) continue;
                output.WriteLine(string.Join("  ", all[^1].Guesses.Select(g => string.Create(
                    CultureInfo.InvariantCulture, $"{g.Label} {100 * g.Probability:F1} %"))));
            }

            result.Write(output, writer =>
            {
                writer.WriteStartArray();
                foreach ((string line, IReadOnlyList<ClassGuess> guesses) in all)
                {
                    writer.WriteStartObject();
                    writer.WriteString("text", line);
                    writer.WriteStartObject("classes");
                    foreach (ClassGuess guess in guesses)
                        writer.WriteNumber(guess.Label, guess.Probability);
                    writer.WriteEndObject();
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }
}
