using System.Globalization;
using System.Text;
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
                double share = grid.Share(row, column);
                float weight = float.IsFinite(grid.Values[row, column])
                    ? grid.Values[row, column] : 0;
                string percent = (100 * weight).ToString("F0", CultureInfo.InvariantCulture);
                if (console.Profile.Capabilities.Ansi)
                {
                    console.Write($" {percent,3}".PadRight(cell - 1),
                        new Style(Color.White, Colour(share)));
                    console.Write(" ");
                }
                else
                {
                    console.Write($"{new string(Shade(share), 2)}{percent,3}".PadRight(cell));
                }
            }

            console.WriteLine();
        }
    }

    /// <summary>A mark a value, or for the one of largest magnitude among neighbours where the
    /// terminal is too narrow or the lines would be too many.</summary>
    private static void Marks(IAnsiConsole console, HeatGrid grid, int label)
    {
        int room = Math.Max(1, console.Profile.Width - label - 2);
        int across = Joined(grid.Columns.Length, room), down = Joined(grid.Rows.Length, MostLines);
        bool colours = console.Profile.Capabilities.Ansi;
        string scale = grid.IsShare ? $"full colour: {grid.Full}" : colours
            ? $"orange: −{grid.Full}, blue: {grid.Full}"
            : $"from −{grid.Full} (blank) to {grid.Full} (█)";
        string joined = across * down == 1 ? "" : string.Create(CultureInfo.InvariantCulture,
            $"; a mark is the largest of {down} × {across}");
        console.WriteLine($"{grid.Title} ({scale}{joined})");
        console.WriteLine(new string(' ', label + 1) + Ruler(grid.Columns, across));
        for (int row = 0; row < grid.Rows.Length; row += down)
        {
            console.Write(Fit(grid.Rows[row], label) + " ");
            for (int column = 0; column < grid.Columns.Length; column += across)
            {
                double share = Largest(grid, row, down, column, across);
                if (colours) console.Write(" ", new Style(background: Colour(share)));
                else console.Write($"{Shade(grid.IsShare ? share : (share + 1) / 2)}");
            }

            console.WriteLine();
        }
    }

    private static int Joined(int count, int room) => (count + room - 1) / room;

    /// <summary>Names of every tenth mark.</summary>
    private static string Ruler(string[] columns, int across)
    {
        StringBuilder ruler = new();
        for (int i = 0; i < columns.Length; i += across * RulerStep)
            ruler.Append(Fit(columns[i], RulerStep - 1)).Append(' ');
        return ruler.ToString().TrimEnd();
    }

    private static double Largest(HeatGrid grid, int row, int down, int column, int across)
    {
        double largest = 0;
        for (int r = row; r < Math.Min(row + down, grid.Rows.Length); r++)
        {
            for (int c = column; c < Math.Min(column + across, grid.Columns.Length); c++)
            {
                double share = grid.Share(r, c);
                if (Math.Abs(share) > Math.Abs(largest)) largest = share;
            }
        }

        return largest;
    }

    /// <summary>From black to a bright blue, or orange below zero; white figures stay readable.
    /// </summary>
    private static Color Colour(double share) => share >= 0
        ? new((byte)(20 * share), (byte)(120 * share), (byte)(235 * share))
        : new((byte)(-200 * share), (byte)(-90 * share), 0);

    private static char Shade(double share) =>
        Shades[Math.Min(Shades.Length - 1, (int)(share * Shades.Length))];

    private static string Fit(string text, int width) =>
        text.Length > width ? text[..(width - 1)] + "…" : text.PadRight(width);
}
