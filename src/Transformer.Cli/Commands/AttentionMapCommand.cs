using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Models;

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
            Description = "Sentence that the model reads.",
            HelpName = "TEXT",
            Required = true,
        };
        Option<string?> target = new("--target")
        {
            Description = "Its translation; by default the model's own.",
            HelpName = "TEXT",
        };
        Option<string> kind = new("--kind")
        {
            Description = "encoder (self), decoder (masked self), cross, or all.",
            DefaultValueFactory = _ => "cross",
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
        Option<string?> backend = CommonOptions.Backend();
        Option<string?> json = CommonOptions.Json();
        Command command = new("attention-map", "Show the attention of every layer and head.")
        {
            model, source, target, kind, layer, head, svg, backend, json,
        };
        command.SetAction(parsed =>
        {
            string text = parsed.GetRequiredValue(source);
            if (string.IsNullOrWhiteSpace(text))
                throw new ArgumentException("attention-map: --source is empty; expected words.");
            JsonOutput result = new(parsed.GetValue(json));
            OutputFile.Require("--svg", parsed.GetValue(svg));
            using Translator translator = Translator.Load(
                parsed.GetRequiredValue(model), CommonOptions.Resolve(parsed.GetValue(backend)));
            TranslateCommand.NoteUnknownWords(
                [text], translator.SourceTokenizer, parsed.InvocationConfiguration.Error);
            List<AttentionGrid> grids = Select(
                Grids(translator, text, parsed.GetValue(target)), parsed.GetRequiredValue(kind),
                parsed.GetValue(layer), parsed.GetValue(head));
            TextWriter output = parsed.InvocationConfiguration.Output;
            IAnsiConsole console = Terminal.For(result, output);
            foreach (AttentionGrid grid in grids) HeatMap.Print(console, grid);
            if (parsed.GetValue(svg) is { } file) AttentionFiles.WriteSvg(file, grids);
            result.Write(output, writer => AttentionFiles.WriteJson(writer, grids));
            return Application.Done;
        });
        return command;
    }

    /// <summary>Attention of all heads on a sentence and its translation.</summary>
    public static List<AttentionGrid> Grids(Translator translator, string source, string? target)
    {
        int[] ids = translator.EncodeSource(source);
        int[] written = target is null
            ? translator.Model.Greedy([ids])[0] : translator.TargetTokenizer.Encode(target);
        return AttentionGrid.All(translator, ids, written);
    }

    private static List<AttentionGrid> Select(
        List<AttentionGrid> grids, string kind, string? layer, string? head)
    {
        if (kind != Everything) grids = [.. grids.Where(g => g.Kind == kind)];
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
