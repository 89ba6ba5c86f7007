using System.CommandLine;
using System.Text;
using Transformer.Models.Text;

namespace Transformer.Cli;

/// <summary>
/// Where a command's text comes from: its argument, a file, or lines on standard input.
/// </summary>
internal sealed class TextInput
{
    private readonly string command;
    private readonly Argument<string[]> text;
    private readonly Option<string?> input;
    private readonly bool blankCounts;

    /// <summary>Adds the argument and <c>--input</c> to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="name">Its name in full, for messages.</param>
    /// <param name="what">What the text is.</param>
    /// <param name="blankCounts">Whether white space alone is a text.</param>
    public TextInput(Command command, string name, string what, bool blankCounts = false)
    {
        this.command = name;
        this.blankCounts = blankCounts;
        text = new("TEXT")
        {
            Description = $"{what}; without it and --input, lines of standard input.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        input = new("--input")
        {
            Description = $"File with one {char.ToLowerInvariant(what[0])}{what[1..]} a line.",
            HelpName = "FILE",
        };
        command.Add(text);
        command.Add(input);
    }

    /// <summary>The texts, in batches: all at once, or line by line as a person types them.
    /// </summary>
    /// <exception cref="ArgumentException">Both an argument and a file are given.</exception>
    /// <exception cref="InvalidDataException">There is no text, or it is no UTF-8.</exception>
    public IEnumerable<IReadOnlyList<string>> Batches(ParseResult parsed)
    {
        string words = string.Join(' ', parsed.GetValue(text) ?? []);
        string? file = parsed.GetValue(input);
        bool given = parsed.GetResult(text) is { Tokens.Count: > 0 };
        if (given && file is not null)
        {
            throw new ArgumentException(
                $"{command}: both a text and --input '{file}' are given; expected one of them.");
        }

        if (given && (blankCounts ? words.Length == 0 : string.IsNullOrWhiteSpace(words)))
            throw new ArgumentException($"{command}: the text is empty; expected some words.");
        if (given) return [[words]];
        if (file is not null) return [TextFiles.ReadLines(file)];
        return Console.IsInputRedirected ? [[.. StandardInput()]] : Typed();
    }

    private static IEnumerable<IReadOnlyList<string>> Typed()
    {
        while (Console.ReadLine() is { } line) yield return [line];
    }

    private List<string> StandardInput()
    {
        UTF8Encoding strictUtf8 = new(true, throwOnInvalidBytes: true);
        using StreamReader reader = new(
            Console.OpenStandardInput(), strictUtf8, detectEncodingFromByteOrderMarks: false);
        List<string> lines = [];
        try
        {
            while (reader.ReadLine() is { } line) lines.Add(line);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException(
                $"{command}: standard input is no valid UTF-8. Convert it to UTF-8.");
        }

        return lines.Count > 0 ? lines : throw new InvalidDataException(
            $"{command}: standard input is empty. Give a text, --input FILE, or lines.");
    }
}
