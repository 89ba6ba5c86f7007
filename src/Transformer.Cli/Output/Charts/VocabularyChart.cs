using System.Globalization;
using Transformer.Models.Text;

namespace Transformer.Cli.Output.Charts;

/// <summary>The curves of <c>tokenizer report</c>: sequence length over vocabulary size, the tail
/// over vocabulary size, and uses over rank in the largest vocabulary.</summary>
internal static class VocabularyChart
{
    private const double Width = 1120, Height = 420;
    private const double PanelTop = 44, PanelWidth = 280, PanelHeight = 280;
    private const double MostMarks = 60;

    private static readonly double[] Lefts = [76, 446, 816];

    /// <summary>Writes an SVG file.</summary>
    public static void WriteFile(Stream stream, VocabularyReport report) => SvgWriter.WriteFile(
        stream, Width, Height, "Sequence length and rarest tokens over vocabulary size",
        svg => Draw(svg, report));

    private static void Draw(SvgWriter svg, VocabularyReport report)
    {
        LogAxis sizes = LogAxis.Around(
            "vocabulary size", report.Rows.Select(row => (double)row.VocabularySize));
        Panel(svg, Lefts[0], "Sequence length", sizes, "tokens a line", 0,
            [.. report.Rows.Select(row => ((double)row.VocabularySize, row.TokensPerLine))]);
        Panel(svg, Lefts[1], "Tail", sizes, "uses that 95 % of the pieces reach", 1,
            [.. report.Rows.Select(row => ((double)row.VocabularySize, (double)row.Tail))]);
        (double, double)[] ranks = [.. report.Pieces.Index()
            .Where(entry => entry.Item.Uses > 0 && IsDrawn(entry.Index + 1, report.Pieces.Count))
            .Select(entry => (entry.Index + 1.0, (double)entry.Item.Uses))];
        Panel(svg, Lefts[2],
            string.Create(CultureInfo.InvariantCulture,
                $"Pieces of the largest ({report.Tokenizer.VocabularySize})"),
            LogAxis.Around("rank", ranks.Select(point => point.Item1)), "uses", 2, ranks);
        svg.Label("quiet", Lefts[0], Height - 14, "start",
            "Tokens a line: of lines held out. Uses: in the text learnt from.");
    }

    /// <summary>Ranks evenly spread over a logarithmic axis.</summary>
    private static bool IsDrawn(int rank, int count)
    {
        double step = Math.Log(Math.Max(count, 2)) / MostMarks;
        return rank == 1 || rank == count ||
            Math.Floor(Math.Log(rank) / step) != Math.Floor(Math.Log(rank - 1) / step);
    }

    private static void Panel(
        SvgWriter svg, double left, string title, LogAxis horizontal, string vertical,
        int colour, (double X, double Y)[] points)
    {
        (double X, double Y)[] known = [.. points.Where(point => point.Y > 0)];
        LogPanel panel = new(
            svg, horizontal, LogAxis.Around(vertical, known.Select(point => point.Y)), left,
            PanelTop, PanelWidth, PanelHeight);
        panel.DrawAxes(title);
        if (known.Length == 0) return;
        panel.Line($"line c{colour}", known);
        foreach ((double x, double y) in known)
        {
            panel.Mark(MarkStyle.Of(colour), x, y, string.Create(
                CultureInfo.InvariantCulture, $"{horizontal.Title} {x:0}: {y:0.##} {vertical}"));
        }
    }
}
