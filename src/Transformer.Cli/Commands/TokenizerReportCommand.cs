using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Cli.Output.Charts;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary><c>tokenizer report</c>: what sizes of vocabulary cost and bring.</summary>
internal static class TokenizerReportCommand
{
    private const int MostSizes = 50;

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string[]> input = new("--input")
        {
            Description = "Text files to learn from, UTF-8; every tenth line is held out.",
            HelpName = "FILE",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string?> sizes = new("--sizes")
        {
            Description = "Vocabulary sizes, such as 1000,8000; the default is " +
                $"{string.Join(',', VocabularyReport.DefaultSizes)}.",
            HelpName = "N,N",
        };
        NumberOption<int> tail = new("--tail")
        {
            Description = "Rarest pieces to show.",
            HelpName = "N",
            DefaultValueFactory = _ => 20,
        };
        Option<string?> svg = new("--svg") { Description = "Draw the curves.", HelpName = "FILE" };
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "report",
            "Vocabulary size against sequence length, and the rarest tokens (byte pairs).")
        {
            input, sizes, tail, svg, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput target = new(parsed.GetValue(json));
            string? chart = parsed.GetValue(svg);
            OutputFile.Require("--svg", chart);
            int shown = parsed.GetValue(tail);
            if (shown < 0)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"tokenizer report: --tail is {shown}; expected 0 or more."));
            }

            int[]? chosen = parsed.GetValue(sizes) is { } list
                ? NumberList.Parse("--sizes", list, "a list such as 1000,8000", 1, MostSizes)
                : null;
            string[] lines = [.. parsed.GetRequiredValue(input).SelectMany(TextFiles.ReadLines)];
            VocabularyReport report = VocabularyReport.Measure(
                lines, chosen, cancellation: cancellation);
            TextWriter output = parsed.InvocationConfiguration.Output;
            Print(Terminal.For(target, output), report, shown);
            target.Write(output, writer => Write(writer, report, shown));
            if (chart is not null)
                AtomicFile.Write(chart, stream => VocabularyChart.WriteFile(stream, report));
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    private static void Print(IAnsiConsole console, VocabularyReport report, int tail)
    {
        Table table = Terminal.Table(
            ["vocabulary", "tokens/line", "characters/token", "95 % used", "rare (<10)", "unused"],
            words: 0);
        foreach (VocabularySizeRow row in report.Rows)
        {
            table.AddRow(
                Text(row.VocabularySize, "0"), Text(row.TokensPerLine, "0.00"),
                Text(row.CharactersPerToken, "0.00"), Text(row.Tail, "0") + " times",
                Share(row.Rare, row.Pieces), Share(row.Unused, row.Pieces));
        }

        console.Write(table);
        console.WriteLine("tokens/line, characters/token: of lines held out; the rest: uses of " +
            "the pieces learnt, in the text learnt from");
        console.WriteLine(report.Suggested is { } size
            ? string.Create(CultureInfo.InvariantCulture,
                $"largest size of which 95 % are used {VocabularyReport.EnoughUses} times: {size}")
            : $"no size of which 95 % are used {VocabularyReport.EnoughUses} times: take more " +
                "text, or fewer tokens");
        if (tail == 0) return;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"rarest of {report.Tokenizer.VocabularySize}: ") + string.Join(' ',
            Tail(report, tail).Select(entry => string.Create(
                CultureInfo.InvariantCulture, $"{entry.Piece}×{entry.Uses}"))));
    }

    /// <summary>The rarest pieces that are used at all.</summary>
    private static IEnumerable<(string Piece, long Uses)> Tail(
        VocabularyReport report, int count) =>
        report.Pieces.Where(entry => entry.Uses > 0).TakeLast(count);

    private static void Write(Utf8JsonWriter writer, VocabularyReport report, int tail)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("rows");
        foreach (VocabularySizeRow row in report.Rows)
        {
            writer.WriteStartObject();
            writer.WriteNumber("vocabularySize", row.VocabularySize);
            writer.WriteNumber("tokensPerLine", row.TokensPerLine);
            writer.WriteNumber("charactersPerToken", row.CharactersPerToken);
            writer.WriteNumber("pieces", row.Pieces);
            writer.WriteNumber("tail", row.Tail);
            writer.WriteNumber("rare", row.Rare);
            writer.WriteNumber("unused", row.Unused);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        if (report.Suggested is { } size) writer.WriteNumber("suggested", size);
        else writer.WriteNull("suggested");
        writer.WriteStartArray("rarest");
        foreach ((string piece, long uses) in Tail(report, tail))
        {
            writer.WriteStartObject();
            writer.WriteString("piece", piece);
            writer.WriteNumber("uses", uses);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string Share(int part, int whole) => string.Create(
        CultureInfo.InvariantCulture, $"{part} ({(whole == 0 ? 0 : 100.0 * part / whole):0} %)");

    private static string Text(double value, string format) =>
        value.ToString(format, CultureInfo.InvariantCulture);
}
