using System.CommandLine;
using System.Globalization;
using Transformer.Cli.Output;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary><c>fill-mask</c>: guesses masked words.</summary>
internal static class FillMaskCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        NumberOption<int> top = new("--top")
        {
            Description = "Guesses for each [MASK].",
            HelpName = "N",
            DefaultValueFactory = _ => 5,
        };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "fill-mask", "Guess the words at [MASK] with an encoder-only model.")
        {
            model, top, backend, json,
        };
        TextInput text = new(command, "fill-mask", "Text with [MASK]");
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            int count = parsed.GetValue(top);
            if (count < 1)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"fill-mask: --top is {count}; expected 1 or more."));
            }

            using MaskFiller filler = MaskFiller.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            List<(string Text, IReadOnlyList<IReadOnlyList<TokenGuess>> Masks)> all = [];
            foreach (IReadOnlyList<string> lines in text.Batches(parsed))
            {
                foreach (string line in lines)
                {
                    cancellation.ThrowIfCancellationRequested();
                    all.Add((line, filler.Fill(line, count)));
                    if (!result.OwnsStandardOutput) Show(output, all[^1].Masks);
                }
            }

            result.Write(output, writer =>
            {
                writer.WriteStartArray();
                foreach ((string line, IReadOnlyList<IReadOnlyList<TokenGuess>> masks) in all)
                {
                    writer.WriteStartObject();
                    writer.WriteString("text", line);
                    writer.WriteStartArray("masks");
                    foreach (IReadOnlyList<TokenGuess> guesses in masks)
                    {
                        writer.WriteStartArray();
                        foreach (TokenGuess guess in guesses)
                        {
                            writer.WriteStartObject();
                            writer.WriteString("token", guess.Text);
                            writer.WriteNumber("id", guess.Id);
                            writer.WriteNumber("probability", guess.Probability);
                            writer.WriteEndObject();
                        }

                        writer.WriteEndArray();
                    }

                    writer.WriteEndArray();
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static void Show(TextWriter output, IReadOnlyList<IReadOnlyList<TokenGuess>> masks)
    {
        foreach (IReadOnlyList<TokenGuess> guesses in masks)
        {
            output.WriteLine(string.Join("  ", guesses.Select(g => string.Create(
                CultureInfo.InvariantCulture, $"{g.Text} {100 * g.Probability:F1} %"))));
        }
    }
}
