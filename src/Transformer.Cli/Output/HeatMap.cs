using System.Globalization;
using Spectre.Console;

namespace Transformer.Cli.Output;

/// <summary>Tables of numbers in the terminal, in colours where there are some, else in shades: few
/// shares with their figures, all else a mark a value.</summary>
internal static class HeatMap
{
    private const int WidestLabel = 12, NarrowestCell = 6, MostBlocks = 3, MostLines = 64;
    private const int RulerStep = 10;
    private const string Shades = " ░▒▓█";

    /// <summary>Prints one table.</summary>
    public static void Print(IAnsiConsole console, HeatGrid grid)
    {
        int label = Math.Min(WidestLabel, grid.Rows.Max(r => r.Length));
        int cell = Math.Clamp(grid.Columns.Max(c => c.Length) + 1, NarrowestCell, WidestLabel + 1);
        int perBlock = Math.Max(1, (console.Profile.Width - label - 2) / cell);
        if (!grid.IsShare || grid.Columns.Length > MostBlocks * perBlock)
        {
            Marks(console, grid, label);
            return;
        }

        console.WriteLine(grid.Title);
        for (int first = 0; first < grid.Columns.Length; first += perBlock)
        {
            int count = Math.Min(perBlock, grid.Columns.Length - first);
            Block(console, grid, first, count, label, cell);
        }
    }

    /// <summary>Some of the columns with figures: as many as the terminal is wide.</summary>
    private static void Block(
        IAnsiConsole console, HeatGrid grid, int first, int count, int label, int cell)
    {
        console.WriteLine(new string(' ', label + 1) + string.Concat(
            grid.Columns.AsSpan(first, count).ToArray().Select(c => Fit(c, cell - 1) + " ")));
        for (int row = 0; row < grid.Rows.Length; row++)
        {
            console.Write(Fit(grid.Rows[row], label) + " ");
            for (int column = first; column < first + count; column++)
            {
                double strength = grid.Strength(row, column);
                float weight = float.IsFinite(grid.Values[row, column])
                    ? grid.Values[row, column] : 0;
                string percent = (100 * weight).ToString("F0", CultureInfo.InvariantCulture);
                if (console.Profile.Capabilities.Ansi)
                {
                    console.Write($" {percent,3}".PadRight(cell - 1),
                        new Style(Color.White, Colour(strength)));
                    console.Write(" ");
                }
                else
                {
                    console.Write($"{new string(Shade(strength), 2)}{percent,3}".PadRight(cell));
                }
            }

            console.WriteLine();
        }
    }

    /// <summary>A mark a value, in as many lines and columns as a terminal has.</summary>
    private static void Marks(IAnsiConsole console, HeatGrid grid, int label)
    {
        grid = grid.Joined(MostLines, Math.Max(1, console.Profile.Width - label - 2));
        bool colours = console.Profile.Capabilities.Ansi;
        string scale = grid.IsShare ? $"full colour: {grid.Full}" : colours
            ? $"orange: −{grid.Full}, blue: {grid.Full}"
            : $"from −{grid.Full} (blank) to {grid.Full} (█)";
        console.WriteLine($"{grid.Title} ({scale})");
        // Names of every tenth column; the last one may reach past the marks, not past the line.
        string ruler = new string(' ', label + 1) + string.Join(' ', grid.Columns
            .Chunk(RulerStep).Select(ten => Fit(ten[0], RulerStep - 1)));
        console.WriteLine(
            ruler[..Math.Min(ruler.Length, console.Profile.Width - 1)].TrimEnd());
        for (int row = 0; row < grid.Rows.Length; row++)
        {
            console.Write(Fit(grid.Rows[row], label) + " ");
            for (int column = 0; column < grid.Columns.Length; column++)
            {
                double strength = grid.Strength(row, column);
                if (colours) console.Write(" ", new Style(background: Colour(strength)));
                else console.Write($"{Shade(grid.IsShare ? strength : (strength + 1) / 2)}");
            }

            console.WriteLine();
        }
    }

    /// <summary>From black to a bright blue, or orange below zero; white figures stay readable.
    /// </summary>
    private static Color Colour(double strength) => strength >= 0
        ? new((byte)(20 * strength), (byte)(120 * strength), (byte)(235 * strength))
        : new((byte)(-200 * strength), (byte)(-90 * strength), 0);

    private static char Shade(double strength) =>
        Shades[Math.Min(Shades.Length - 1, (int)(strength * Shades.Length))];

    private static string Fit(string text, int width) =>
        text.Length > width ? text[..(width - 1)] + "…" : text.PadRight(width);
}
