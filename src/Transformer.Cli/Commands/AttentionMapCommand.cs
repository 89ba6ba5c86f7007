using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Cli.Output.Charts;
using Transformer.Models.Interchange;

namespace Transformer.Cli.Commands;

/// <summary><c>attention-map</c>: what a model looks at, head by head.</summary>
internal static class AttentionMapCommand
{
    private const string Everything = "all";

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> model = CommonOptions.Model();
        Option<string> source = new("--source")
        {
            Description = "Text that the model reads; [MASK] stands for one token of an " +
                "encoder-only model.",
            HelpName = "TEXT",
            Required = true,
        };
        Option<string?> target = new("--target")
        {
            Description = "Its translation, of a translator; by default the model's own.",
            HelpName = "TEXT",
        };
        Option<string?> second = new("--second")
        {
            Description = "A text after [SEP], of an encoder-only model.",
            HelpName = "TEXT",
        };
        Option<string?> kind = new("--kind")
        {
            Description = "encoder (self), decoder (masked self), cross, or all; by default a " +
                "translator's cross, else the only one that the model has.",
        };
        kind.AcceptOnlyFromAmong([.. AttentionGrid.Kinds, Everything]);
        Option<string?> layer = new("--layer")
        {
            Description = "Layer, from 1 on, or all; by default the last.",
            HelpName = "L",
        };
        Option<string?> head = new("--head")
        {
            Description = "Head, from 1 on; by default all, each on its own.",
            HelpName = "H",
        };
        Option<string?> svg = new("--svg")
        {
            Description = "Also write the maps as SVG.",
            HelpName = "FILE",
        };
        Option<string?> html = new("--html")
        {
            Description = "Also write one interactive page of all kinds, layers and heads.",
            HelpName = "FILE",
        };
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("attention-map", "Show the attention of every layer and head.")
        {
            model, source, target, second, kind, layer, head, svg, html, backend, json,
        };
        command.SetAction(parsed =>
        {
            string text = parsed.GetRequiredValue(source);
            if (string.IsNullOrWhiteSpace(text))
                throw new ArgumentException("attention-map: --source is empty; expected words.");
            JsonOutput result = new(parsed.GetValue(json));
            OutputFile.Require("--svg", parsed.GetValue(svg));
            OutputFile.Require("--html", parsed.GetValue(html));
            AttentionReading reading =
                new(text, parsed.GetValue(target), parsed.GetValue(second));
            List<AttentionGrid> all = reading.Read(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)),
                parsed.InvocationConfiguration.Error);
            string chosen = parsed.GetValue(kind) ?? all[^1].Kind;
            List<AttentionGrid> grids =
                Select(all, chosen, parsed.GetValue(layer), parsed.GetValue(head));
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            HeatGrid[] drawn = [.. grids.Select(grid => grid.Drawn)];
            foreach (HeatGrid grid in drawn) HeatMap.Print(console, grid);
            if (parsed.GetValue(svg) is { } file)
            {
                AtomicFile.Write(
                    file, stream => HeatMapChart.WriteFile(stream, "Attention", drawn));
            }

            if (parsed.GetValue(html) is { } page) AttentionPage.Write(page, all, chosen);
            result.Write(output, writer => AttentionJson.Write(writer, grids));
            return Application.Done;
        });
        return command;
    }

    private static List<AttentionGrid> Select(
        List<AttentionGrid> grids, string kind, string? layer, string? head)
    {
        if (kind != Everything)
        {
            string[] kinds = [.. grids.Select(g => g.Kind).Distinct()];
            grids = [.. grids.Where(g => g.Kind == kind)];
            if (grids.Count == 0)
            {
                throw new ArgumentException($"attention-map: --kind is '{kind}'; the model has " +
                    $"{string.Join(", ", kinds)}. Choose such a kind.");
            }
        }

        if (layer is null)
        {
            // The stacks may differ in height: the last layer of each.
            grids = [.. grids.Where(
                g => g.Layer == grids.Where(o => o.Kind == g.Kind).Max(o => o.Layer))];
        }
        else if (layer != Everything)
        {
            int number = Number("--layer", layer, grids.Max(g => g.Layer));
            grids = [.. grids.Where(g => g.Layer == number)];
        }

        if (head is null or Everything) return grids;
        int chosen = Number("--head", head, grids.Max(g => g.Head));
        return [.. grids.Where(g => g.Head == chosen)];
    }

    private static int Number(string option, string text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= 1 && number <= most
            ? number
            : throw new ArgumentException(
                $"attention-map: {option} is '{text}'; expected 1 to {most}, or all.");
}
