using System.CommandLine;
using System.Globalization;
using System.Text;
using Transformer.Cli.Output;
using Transformer.Models;

namespace Transformer.Cli.Commands;

/// <summary><c>generate</c>: continues a text, shown as it is written; or several.</summary>
internal static class GenerateCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        NumberOption<int> tokens = new("--tokens")
        {
            Description = "Tokens to add at most.",
            HelpName = "N",
            DefaultValueFactory = _ => 200,
        };
        Option<string[]> stops = new("--stop")
        {
            Description = "The text ends before this string; may be given again.",
            HelpName = "TEXT",
        };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("generate", "Continue texts with a decoder-only model.")
        {
            model, tokens, stops, backend, json,
        };
        TextInput prompt = new(command, "generate", "Beginning of a text", blankCounts: true);
        SamplingFlags sampling = new(command);
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            int count = parsed.GetValue(tokens);
            if (count < 1)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"generate: --tokens is {count}; expected 1 or more."));
            }

            string[] ends = parsed.GetValue(stops) ?? [];
            GenerationOptions? beam = sampling.ReadBeam(parsed);
            if (beam is not null && ends.Length > 0)
            {
                throw new ArgumentException("generate: --stop does not go with --beam; a beam " +
                    "has the length of --tokens. Leave one of them out.");
            }

            SamplingOptions options = sampling.Read(parsed);
            using TextGenerator generator = TextGenerator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            TextWriter standard = parsed.InvocationConfiguration.Output;
            TextWriter output = result.OwnsStandardOutput ? TextWriter.Null : standard;
            List<(string Text, string Continuation)> all = [];
            foreach (IReadOnlyList<string> texts in prompt.Batches(parsed))
            {
                RequireTexts(texts);
                TranslateCommand.NoteUnknownWords(
                    texts, generator.Tokenizer, parsed.InvocationConfiguration.Error);
                string[] continued = beam is not null ? generator.Beam(texts, count, beam)
                    : texts.Count > 1 ? generator.ContinueAll(texts, count, options, ends)
                    : [Stream(output, texts[0],
                        generator.Continue(texts[0], count, options, ends), cancellation)];
                if (beam is not null || texts.Count > 1) WriteAll(output, texts, continued);
                all.AddRange(texts.Zip(continued));
            }

            result.WriteTexts(standard, "continuation", all);
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static void RequireTexts(IReadOnlyList<string> texts)
    {
        for (int i = 0; i < texts.Count; i++)
        {
            if (texts[i].Length > 0) continue;
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"generate: text {i + 1} is empty; expected some text. Leave the line out."));
        }
    }

    /// <summary>Shows a text as it grows; returns what was added.</summary>
    private static string Stream(
        TextWriter output, string text, IEnumerable<string> pieces, CancellationToken cancellation)
    {
        StringBuilder added = new();
        output.Write(text);
        foreach (string piece in pieces)
        {
            cancellation.ThrowIfCancellationRequested();
            output.Write(piece);
            output.Flush();
            added.Append(piece);
        }

        output.WriteLine();
        return added.ToString();
    }

    /// <summary>Texts with their continuations, an empty line between.</summary>
    private static void WriteAll(
        TextWriter output, IReadOnlyList<string> texts, string[] continuations)
    {
        for (int i = 0; i < texts.Count; i++)
        {
            if (i > 0) output.WriteLine();
            output.WriteLine(texts[i] + continuations[i]);
        }
    }
}
