using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Cli.Output.Charts;
using Transformer.Models.Interchange;
using Transformer.Models.Measurement;
using Transformer.Verification;

namespace Transformer.Cli.Commands;

/// <summary><c>complexity</c>: self-attention against recurrence, counted and measured.</summary>
internal static class ComplexityCommand
{
    private const int MostSizes = 50;

    // n positions, width d, neighbourhood r: Vaswani et al. 2017, table 1.
    private static readonly (SequenceLayer Layer, string Cost, string Steps, string Path)[]
        Theory =
    [
        (SequenceLayer.SelfAttention, "O(n²·d)", "O(1)", "O(1)"),
        (SequenceLayer.Restricted, "O(r·n·d)", "O(1)", "O(n/r)"),
        (SequenceLayer.Recurrent, "O(n·d²)", "O(n)", "O(n)"),
    ];

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        LayerComplexityOptions usual = new();
        Option<string?> lengths = Sizes("--lengths", "Lengths n of the sequence", usual.Lengths);
        Option<string?> widths = Sizes(
            "--widths", "Widths d, at most 64 or multiples of it", usual.Widths);
        NumberOption<int> neighbourhood = new("--neighbourhood")
        {
            Description = "Neighbourhood r of restricted attention, half of it on each side.",
            HelpName = "R",
            DefaultValueFactory = _ => usual.Neighbourhood,
        };
        NumberOption<double> seconds = new("--seconds")
        {
            Description = "Time for each point; 0 makes the fewest calls.",
            HelpName = "S",
            DefaultValueFactory = _ => usual.Budget.TotalSeconds,
        };
        Option<string?> backend = CommonOptions.Backend();
        backend.Description = "Backend to run on; the default is simd: with reference, the one " +
            "that has a recurrent layer.";
        Option<string?> svg = new("--svg") { Description = "Draw the curves.", HelpName = "FILE" };
        Option<string?> json = CommonOptions.Json();
        Command command = new(
            "complexity",
            "Self-attention, restricted attention and a recurrent layer: operations, sequential " +
            "steps, longest path, and measured time over length and width.")
        {
            lengths, widths, neighbourhood, seconds, backend, svg, json,
        };
        command.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            JsonOutput target = new(parsed.GetValue(json));
            string? chart = parsed.GetValue(svg);
            OutputFile.Require("--svg", chart);
            LayerComplexityOptions options = new()
            {
                Backend = parsed.GetValue(backend) is { } name ? CommonOptions.Resolve(name) : null,
                Lengths = List("--lengths", parsed.GetValue(lengths)) ?? usual.Lengths,
                Widths = List("--widths", parsed.GetValue(widths)) ?? usual.Widths,
                Neighbourhood = parsed.GetValue(neighbourhood),
                Budget = Budget(parsed.GetValue(seconds)),
            };
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(target, output);
            IEnumerable<LayerComplexityRow> measured = LayerComplexity.Run(options, cancellation);
            PrintTheory(console, options);
            LayerComplexityRow[] rows = [.. measured];
            foreach (IGrouping<int, LayerComplexityRow> width in rows.GroupBy(row => row.Width))
                PrintWidth(console, width.Key, [.. width]);
            PrintCrossovers(console, LayerCrossover.Of(rows));
            string typed = "transformer " +
                string.Join(' ', parsed.Tokens.Select(token => token.Value));
            target.Write(output, writer => Write(writer, typed, options, rows));
            if (chart is not null)
                AtomicFile.Write(chart, stream => ComplexityChart.WriteFile(stream, rows));
            return Application.Done;
        }, CancellationToken.None));
        return command;
    }

    /// <summary>What a row's layer is called.</summary>
    public static string Name(SequenceLayer layer) => layer switch
    {
        SequenceLayer.SelfAttention => "self-attention",
        SequenceLayer.Restricted => "restricted",
        SequenceLayer.Recurrent => "recurrent",
        _ => "projections",
    };

    /// <summary>The rows that <see cref="Write"/> wrote.</summary>
    public static IReadOnlyList<LayerComplexityRow> ReadRows(JsonElement result) =>
    [
        .. result.GetProperty("rows").EnumerateArray().Select(row => new LayerComplexityRow(
            Enum.GetValues<SequenceLayer>().Single(
                layer => Name(layer) == row.GetProperty("layer").GetString()),
            row.GetProperty("n").GetInt32(), row.GetProperty("d").GetInt32(),
            row.GetProperty("ms").GetDouble(), row.GetProperty("operations").GetDouble())),
    ];

    private static Option<string?> Sizes(string name, string what, IReadOnlyList<int> usual) =>
        new(name)
        {
            Description = $"{what}; the default is {string.Join(',', usual)}.",
            HelpName = "N,N",
        };

    private static int[]? List(string name, string? text) => text is null ? null
        : NumberList.Parse(name, text, "a list such as 64,128", 1, MostSizes);

    private static TimeSpan Budget(double seconds) => seconds is >= 0 and <= 3600
        ? TimeSpan.FromSeconds(seconds)
        : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
            $"complexity: --seconds is {seconds}; expected 0 to 3600."));

    private static void PrintTheory(IAnsiConsole console, LayerComplexityOptions options)
    {
        Table table = Terminal.Table(
            ["layer", "complexity", "sequential operations", "longest path"], words: 4);
        foreach ((SequenceLayer layer, string cost, string steps, string path) in Theory)
            table.AddRow(Name(layer), cost, steps, path);
        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"n positions of width d, neighbourhood r = {options.Neighbourhood}; recurrent: an ") +
            "LSTM as wide as its input");
    }

    private static void PrintWidth(IAnsiConsole console, int width, LayerComplexityRow[] rows)
    {
        SequenceLayer[] layers = Enum.GetValues<SequenceLayer>();
        Table table = Terminal.Table(
            ["n", .. layers.Select(Name), "attention / recurrent"], words: 0);
        double least = rows.Min(row => row.Milliseconds);
        double most = rows.Max(row => row.Milliseconds);
        List<string> lines = [];
        foreach (IGrouping<int, LayerComplexityRow> length in rows.GroupBy(row => row.Length))
        {
            double Ms(SequenceLayer layer) =>
                length.Single(row => row.Layer == layer).Milliseconds;
            double ratio = Ms(SequenceLayer.SelfAttention) / Ms(SequenceLayer.Recurrent);
            table.AddRow([Text(length.Key, "0"),
                .. layers.Select(layer => Text(Ms(layer), "0.000")), Text(ratio, "0.00")]);
            lines.Add($"{length.Key,6} " + LogLine.Of(least, most,
                [('p', Ms(SequenceLayer.Projections)), ('w', Ms(SequenceLayer.Restricted)),
                    ('R', Ms(SequenceLayer.Recurrent)), ('A', Ms(SequenceLayer.SelfAttention))]));
        }

        console.WriteLine();
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"width {width}, ms"));
        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"     n {least:0.000} ms to {most:0.000} ms, logarithmic; A self-attention, ") +
            "w restricted, R recurrent, p projections");
        foreach (string line in lines) console.WriteLine(line);
    }

    private static void PrintCrossovers(
        IAnsiConsole console, IReadOnlyList<LayerCrossover> crossovers)
    {
        console.WriteLine();
        console.WriteLine("n from which self-attention takes longer than the recurrent layer:");
        Table table = Terminal.Table(["d", "alone", "with projections"], words: 0);
        foreach (LayerCrossover row in crossovers)
        {
            string Cell(double? length) => length is { } n ? Text(n, "0")
                : $"beyond {Text(row.LongestLength, "0")}";
            table.AddRow(Text(row.Width, "0"), Cell(row.Alone), Cell(row.WithProjections));
        }

        console.Write(table);
    }

    private static void Write(
        Utf8JsonWriter json, string command, LayerComplexityOptions options,
        LayerComplexityRow[] rows)
    {
        json.WriteStartObject();
        BenchReport.WriteHead(json, MachineLimits.Measure(options.Budget), command);
        json.WriteNumber("neighbourhood", options.Neighbourhood);
        json.WriteStartArray("complexity");
        foreach ((SequenceLayer layer, string cost, string steps, string path) in Theory)
        {
            json.WriteStartObject();
            json.WriteString("layer", Name(layer));
            json.WriteString("complexity", cost);
            json.WriteString("sequentialOperations", steps);
            json.WriteString("longestPath", path);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("rows");
        foreach (LayerComplexityRow row in rows)
        {
            json.WriteStartObject();
            json.WriteString("layer", Name(row.Layer));
            json.WriteNumber("n", row.Length);
            json.WriteNumber("d", row.Width);
            json.WriteNumber("ms", row.Milliseconds);
            json.WriteNumber("operations", row.Operations);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("crossovers");
        foreach (LayerCrossover row in LayerCrossover.Of(rows))
        {
            json.WriteStartObject();
            json.WriteNumber("d", row.Width);
            WriteLength(json, "alone", row.Alone);
            WriteLength(json, "withProjections", row.WithProjections);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteLength(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number) json.WriteNumber(name, Math.Round(number, 1));
        else json.WriteNull(name);
    }

    private static string Text(double value, string format) =>
        value.ToString(format, CultureInfo.InvariantCulture);
}
