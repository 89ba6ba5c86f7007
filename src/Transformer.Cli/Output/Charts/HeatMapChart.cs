namespace Transformer.Cli.Output.Charts;

/// <summary>Tables of numbers as squares, names on both axes.</summary>
internal static class HeatMapChart
{
    private const double Margin = 16, TitleHeight = 26, LetterWidth = 7.5, LabelHeight = 12;
    private const double LongestGrid = 900, WidestCell = 22, NarrowestCell = 4;
    private const int GridsPerLine = 4, LongestLabel = 18, MostNames = 256, MostTexts = 64 * 64;

    // Fainter squares cannot be told from the background.
    private const double Faintest = 0.02;

    /// <summary>Writes an SVG file.</summary>
    public static void WriteFile(Stream stream, string title, IReadOnlyList<HeatGrid> grids)
    {
        grids = [.. grids.Select(grid => grid.Joined(MostNames, MostNames))];
        HeatMapLayout[] layouts = [.. grids.Select(Layout)];
        double width = Margin + layouts.Max(layout => layout.Width);
        double height = Margin + layouts.Max(layout => layout.Height);
        int across = Math.Min(GridsPerLine, grids.Count);
        int down = (grids.Count + across - 1) / across;
        SvgWriter.WriteFile(stream, Margin + (width * across), Margin + (height * down), title,
            svg =>
            {
                for (int i = 0; i < grids.Count; i++)
                {
                    Draw(svg, grids[i], layouts[i],
                        Margin + (width * (i % across)), Margin + (height * (i / across)));
                }
            });
    }

    private static HeatMapLayout Layout(HeatGrid grid)
    {
        int most = Math.Max(grid.Rows.Length, grid.Columns.Length);
        double cell = Math.Clamp(Math.Floor(LongestGrid / most), NarrowestCell, WidestCell);
        double left = LabelWidth(grid.Rows), top = TitleHeight + LabelWidth(grid.Columns);
        double title = LetterWidth * Title(grid).Length;
        return new(cell, left, top,
            Math.Max(title, left + (cell * grid.Columns.Length)),
            top + (cell * grid.Rows.Length));
    }

    private static void Draw(
        SvgWriter svg, HeatGrid grid, HeatMapLayout layout, double x, double y)
    {
        (double cell, double left, double top) = (layout.Cell, x + layout.Left, y + layout.Top);
        svg.Label("title", x, y + 14, "start", Title(grid));
        // Every name where there is room, else every second, third, ….
        int step = (int)Math.Ceiling(LabelHeight / cell);
        for (int column = 0; column < grid.Columns.Length; column += step)
        {
            svg.Label("", left + (cell * (column + 0.5)) + 4, top - 6, "start",
                Shorten(grid.Columns[column]), -90);
        }

        for (int row = 0; row < grid.Rows.Length; row += step)
        {
            svg.Label("", left - 6, top + (cell * (row + 0.5)) + 4, "end",
                Shorten(grid.Rows[row]));
        }

        bool texts = grid.Values.Length <= MostTexts;
        for (int row = 0; row < grid.Rows.Length; row++)
        {
            for (int column = 0; column < grid.Columns.Length; column++)
            {
                double strength = grid.Strength(row, column);
                if (!texts && Math.Abs(strength) < Faintest) continue;
                svg.Cell(strength < 0 ? 1 : 0, Math.Abs(strength), left + (cell * column),
                    top + (cell * row), cell, texts ? grid.Describe(row, column) : null);
            }
        }

        svg.Rectangle("frame", left, top, cell * grid.Columns.Length, cell * grid.Rows.Length);
    }

    private static string Title(HeatGrid grid) => grid.IsShare
        ? $"{grid.Title} (full colour: {grid.Full})"
        : $"{grid.Title} (orange: −{grid.Full}, blue: {grid.Full})";

    private static double LabelWidth(string[] names) =>
        10 + (LetterWidth * names.Max(name => Shorten(name).Sum(Letters)));

    // Letters of Chinese, Japanese and Korean are two wide.
    private static int Letters(char letter) => letter >= '\u2E80' ? 2 : 1;

    private static string Shorten(string name) =>
        name.Length > LongestLabel ? name[..(LongestLabel - 1)] + "…" : name;

    /// <summary>Sizes of one table, in pixels.</summary>
    private readonly record struct HeatMapLayout(
        double Cell, double Left, double Top, double Width, double Height);
}
