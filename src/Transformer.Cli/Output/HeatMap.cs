using System.Globalization;
using Spectre.Console;

namespace Transformer.Cli.Output;

/// <summary>Attention in the terminal: a cell a weight, in colours where there are some, else in
/// shades; the figures are per cent.</summary>
internal static class HeatMap
{
    private const int WidestLabel = 12, NarrowestCell = 6;
    private const string Shades = " ░▒▓█";

    /// <summary>Prints the grid of one head.</summary>
    public static void Print(IAnsiConsole console, AttentionGrid grid)
    {
        console.WriteLine(grid.Title);
        int label = Math.Min(WidestLabel, grid.Rows.Max(r => r.Length));
        int cell = Math.Clamp(grid.Columns.Max(c => c.Length) + 1, NarrowestCell, WidestLabel + 1);
        int perBlock = Math.Max(1, (console.Profile.Width - label - 2) / cell);
        for (int first = 0; first < grid.Columns.Length; first += perBlock)
        {
            int count = Math.Min(perBlock, grid.Columns.Length - first);
            Block(console, grid, first, count, label, cell);
        }
    }

    /// <summary>Some of the columns: as many as the terminal is wide.</summary>
    private static void Block(
        IAnsiConsole console, AttentionGrid grid, int first, int count, int label, int cell)
    {
        console.WriteLine(new string(' ', label + 1) + string.Concat(
            grid.Columns.AsSpan(first, count).ToArray().Select(c => Fit(c, cell - 1) + " ")));
        for (int row = 0; row < grid.Rows.Length; row++)
        {
            console.Write(Fit(grid.Rows[row], label) + " ");
            for (int column = first; column < first + count; column++)
                Cell(console, grid.Weights[row, column], cell);
            console.WriteLine();
        }
    }

    private static void Cell(IAnsiConsole console, float weight, int width)
    {
        double share = double.IsFinite(weight) ? Math.Clamp(weight, 0, 1) : 0;
        string percent = (100 * share).ToString("F0", CultureInfo.InvariantCulture);
        if (console.Profile.Capabilities.Ansi)
        {
            // From black to a bright blue; the figure stays readable on both.
            Color back = new((byte)(20 * share), (byte)(120 * share), (byte)(235 * share));
            console.Write($" {percent,3}".PadRight(width - 1), new Style(Color.White, back));
            console.Write(" ");
            return;
        }

        char shade = Shades[Math.Min(Shades.Length - 1, (int)(share * Shades.Length))];
        console.Write($"{new string(shade, 2)}{percent,3}".PadRight(width));
    }

    private static string Fit(string text, int width) =>
        text.Length > width ? text[..(width - 1)] + "…" : text.PadRight(width);
}
