using System.CommandLine;
using System.Globalization;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary><c>next-sentence</c>: whether one text follows another.</summary>
internal static class NextSentenceCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Argument<string[]> texts = new("TEXTS")
        {
            Description = "The first text and the second, each in quotes.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string?> input = new("--input")
        {
            Description = "File with a pair a line: first text, tab, second text.",
            HelpName = "FILE",
        };
        Option<string> model = CommonOptions.Model();
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("next-sentence",
            "Tell whether a text follows another with an encoder-only model.")
        {
            texts, model, input, backend, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            TextWriter output = parsed.InvocationConfiguration.Output;
            (string First, string Second)[] pairs =
                Pairs(parsed.GetValue(texts) ?? [], parsed.GetValue(input));
            using MaskFiller filler = MaskFiller.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            double[] probabilities = new double[pairs.Length];
            for (int i = 0; i < pairs.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                probabilities[i] = filler.FollowsProbability(pairs[i].First, pairs[i].Second);
                if (result.OwnsStandardOutput) continue;
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{(probabilities[i] >= 0.5 ? "follows" : "does not follow")} " +
                    $"({100 * probabilities[i]:F1} %)"));
            }

            result.Write(output, writer =>
            {
                writer.WriteStartArray();
                for (int i = 0; i < pairs.Length; i++)
                {
                    writer.WriteStartObject();
                    writer.WriteString("first", pairs[i].First);
                    writer.WriteString("second", pairs[i].Second);
                    writer.WriteNumber("follows", probabilities[i]);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static (string First, string Second)[] Pairs(string[] texts, string? file)
    {
        if (file is null != (texts.Length > 0) || (texts.Length > 0 && texts.Length != 2))
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"next-sentence: {texts.Length} texts{(file is null ? "" : " and --input")}; " +
                $"expected two texts, each in quotes, or --input FILE alone."));
        }

        if (file is null) return [(texts[0], texts[1])];
        return [.. TextFiles.ReadLines(file).Select((line, i) =>
            line.Split('\t') is [string first, string second]
                ? (first, second)
                : throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture,
                    $"Pairs '{file}', line {i + 1}: expected first text, tab, second text.")))];
    }
}
