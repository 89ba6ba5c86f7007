using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Output;
using Transformer.Cli.Output.Charts;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;

namespace Transformer.Cli.Commands;

/// <summary><c>position-map</c>: the tables that mark positions, drawn.</summary>
internal static class PositionMapCommand
{
    private const string Part = "positions";
    private const int DefaultPositions = 64, DefaultWidth = 64;
    private const int MostValues = 1 << 24;

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string?> model = new("--model")
        {
            Description = "Folder of a trained model; without it the sinusoids are drawn.",
            HelpName = "FOLDER",
        };
        NumberOption<int> positions = new("--positions")
        {
            Description = $"Rows: by default all of a model, or {DefaultPositions}.",
            HelpName = "N",
        };
        NumberOption<int> width = new("--width")
        {
            Description = $"Width of the sinusoids' vectors; the default is {DefaultWidth}.",
            HelpName = "N",
        };
        Option<string?> svg = new("--svg")
        {
            Description = "Also draw the tables as SVG.",
            HelpName = "FILE",
        };
        Option<string?> json = CommonOptions.Json();
        Command command = new("position-map",
            "Draw the sinusoidal table of positions, or the tables of a model.")
        {
            model, positions, width, svg, json,
        };
        command.SetAction(parsed =>
        {
            JsonOutput result = new(parsed.GetValue(json));
            OutputFile.Require("--svg", parsed.GetValue(svg));
            int? rows = Given(parsed, positions), columns = Given(parsed, width);
            HeatGrid[] tables = parsed.GetValue(model) is { } folder
                ? OfModel(folder, rows, columns)
                : [Sinusoids(rows ?? DefaultPositions, columns ?? DefaultWidth)];
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            foreach (HeatGrid table in tables) HeatMap.Print(console, table);
            if (parsed.GetValue(svg) is { } file)
            {
                AtomicFile.Write(file,
                    stream => HeatMapChart.WriteFile(stream, "Tables of positions", tables));
            }

            result.Write(output, writer => Write(writer, tables));
            return Application.Done;
        });
        return command;
    }

    private static int? Given(ParseResult parsed, NumberOption<int> option)
    {
        if (parsed.GetResult(option) is null) return null;
        int value = parsed.GetValue(option);
        return value >= 1 ? value : throw new ArgumentException(string.Create(
            CultureInfo.InvariantCulture,
            $"position-map: {option.Name} is {value}; expected 1 or more."));
    }

    private static HeatGrid Sinusoids(int positions, int width)
    {
        if ((long)positions * width > MostValues)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"position-map: {positions} positions of width {width}; expected at most " +
                $"{MostValues} values. Draw fewer."));
        }

        return Table("sinusoidal", PositionalEncoding.Sinusoidal(positions, width), width, null);
    }

    private static HeatGrid[] OfModel(string folder, int? positions, int? width)
    {
        if (width is not null)
        {
            throw new ArgumentException("position-map: --width goes without --model, which has " +
                "its own. Leave one of them out.");
        }

        using IDisposable loaded = Load(folder, out ParameterSet parameters);
        HeatGrid[] tables = [.. parameters.All.Where(p => p.Name.Split('.').Contains(Part))
            .Select(parameter =>
            {
                float[] values = new float[parameter.Shape.ElementCount];
                parameter.CopyTo(values);
                return Table($"{parameter.Name}, {(parameter.Trainable ? "learned" : "constant")}",
                    values, (int)parameter.Shape[^1], positions);
            })];
        return tables.Length > 0 ? tables : throw new ArgumentException(
            $"position-map: the model '{folder}' has no table of positions. Choose another one.");
    }

    private static IDisposable Load(string folder, out ParameterSet parameters)
    {
        Backend backend = BackendRegistry.Cpu;
        switch (ModelKinds.Of(folder))
        {
            case ModelKind.Translator:
                Seq2SeqTransformer translator = Seq2SeqTransformer.Load(folder, backend);
                parameters = translator.Parameters;
                return translator;
            case ModelKind.TextGenerator:
                Gpt generator = Gpt.Load(folder, backend);
                parameters = generator.Parameters;
                return generator;
            case ModelKind.MaskFiller:
                Bert filler = Bert.Load(folder, backend);
                parameters = filler.Parameters;
                return filler;
            default:
                BertClassifier classifier = BertClassifier.Load(folder, backend);
                parameters = classifier.Parameters;
                return classifier;
        }
    }

    private static HeatGrid Table(string title, float[] values, int width, int? mostRows)
    {
        int rows = Math.Min(values.Length / width, mostRows ?? int.MaxValue);
        float[,] table = new float[rows, width];
        Buffer.BlockCopy(values, 0, table, 0, sizeof(float) * rows * width);
        return new(title, Numbers(rows), Numbers(width), table, IsShare: false);
    }

    private static string[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(
        i => i.ToString(CultureInfo.InvariantCulture))];

    private static void Write(Utf8JsonWriter json, HeatGrid[] tables)
    {
        json.WriteStartObject();
        json.WriteStartArray("tables");
        foreach (HeatGrid table in tables)
        {
            json.WriteStartObject();
            json.WriteString("title", table.Title);
            json.WriteNumber("positions", table.Rows.Length);
            json.WriteNumber("width", table.Columns.Length);
            AttentionJson.WriteValues(json, "values", table.Values);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
