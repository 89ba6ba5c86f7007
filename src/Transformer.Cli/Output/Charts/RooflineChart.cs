using System.Globalization;
using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Cli.Output.Charts;

/// <summary>Every measured row under the machine's roof: operations a second over operations a
/// byte (Williams, Waterman, Patterson 2009).</summary>
internal static class RooflineChart
{
    private const double Width = 1120, Left = 76, Top = 44, PlotWidth = 760, PlotHeight = 480;
    private const double LegendLeft = Left + PlotWidth + 40, LegendLine = 22;

    /// <summary>Writes the drawing into a page.</summary>
    /// <param name="svg">The page's writer.</param>
    /// <param name="limits">The roof.</param>
    /// <param name="rows">The rows; those without operations or bytes have no place.</param>
    public static void Write(SvgWriter svg, MachineLimits limits, IReadOnlyList<BenchRow> rows) =>
        svg.Root(Width, Height(rows), "Roofline: measured rows and the machine's limits",
            inner => Draw(inner, limits, rows));

    private static double Height(IReadOnlyList<BenchRow> rows) =>
        Math.Max(Top + PlotHeight + 56, Top + ((Ops(rows).Length + 4) * LegendLine));

    private static string[] Ops(IReadOnlyList<BenchRow> rows) =>
        [.. rows.Where(HasPlace).Select(row => row.Op).Distinct()];

    private static bool HasPlace(BenchRow row) =>
        row.Unsupported is null && row.Gflops > 0 && row.GBs > 0;

    private static void Draw(SvgWriter svg, MachineLimits limits, IReadOnlyList<BenchRow> rows)
    {
        BenchRow[] placed = [.. rows.Where(HasPlace)];
        double ridge = limits.FmaPeakGflops / limits.Bandwidth;
        LogAxis intensity = LogAxis.Around("operations per byte that must move",
            [.. placed.Select(Intensity), ridge / 4, ridge * 8]);
        LogAxis rate = LogAxis.Around("GFLOP/s",
            [.. placed.Select(row => row.Gflops), limits.FmaPeakGflops * 1.2,
                limits.FmaPeakGflops / 100]);
        LogPanel panel = new(svg, intensity, rate, Left, Top, PlotWidth, PlotHeight);
        panel.DrawAxes("Roofline");
        Roof(panel, limits, intensity, rate);
        string[] ops = Ops(rows);
        foreach (BenchRow row in placed)
        {
            MarkStyle mark = MarkStyle.Of(Array.IndexOf(ops, row.Op)) with
            {
                IsHollow = row.Direction == OpDirection.Backward,
            };
            panel.Mark(mark, Intensity(row), row.Gflops, Describe(row));
        }

        foreach ((int i, string op) in ops.Index())
        {
            double y = Top + 8 + (i * LegendLine);
            svg.Mark(MarkStyle.Of(i), LegendLeft, y - 4, null);
            svg.Label("", LegendLeft + 14, y, "start", op);
        }

        double last = Top + 8 + ((ops.Length + 0.5) * LegendLine);
        svg.Label("quiet", LegendLeft - 6, last, "start", "filled forward, hollow backward");
        svg.Label("quiet", LegendLeft - 6, last + LegendLine, "start",
            "above the roof: operands in a cache");
    }

    private static void Roof(
        LogPanel panel, MachineLimits limits, LogAxis intensity, LogAxis rate)
    {
        double peak = limits.FmaPeakGflops;
        foreach ((double bandwidth, string name, string style) in new[]
        {
            (limits.Bandwidth, limits.ReadGBs >= limits.CopyGBs ? "read" : "copy", "roof"),
            (Math.Min(limits.CopyGBs, limits.ReadGBs),
                limits.ReadGBs >= limits.CopyGBs ? "copy" : "read", "guide"),
        })
        {
            double ridge = peak / bandwidth;
            double start = Math.Max(intensity.Low, rate.Low / bandwidth);
            if (start < ridge) panel.Line(style, (start, start * bandwidth), (ridge, peak));
            if (style == "roof")
            {
                panel.Line(style, (ridge, peak), (intensity.High, peak));
                panel.Label("quiet", intensity.High, peak, "end", string.Create(
                    CultureInfo.InvariantCulture, $"{peak:0} GFLOP/s, FMA peak"), -7);
            }

            // Beside the line: the roof's at its left, the other's at its right.
            double at = Math.Sqrt(start * ridge);
            bool roof = style == "roof";
            panel.Label("quiet", roof ? at / 1.12 : at * 1.12, at * bandwidth,
                roof ? "end" : "start",
                string.Create(CultureInfo.InvariantCulture, $"{name} {bandwidth:0.0} GB/s"),
                roof ? -6 : 14);
        }
    }

    private static double Intensity(BenchRow row) => row.Gflops / row.GBs;

    private static string Describe(BenchRow row) => string.Create(CultureInfo.InvariantCulture,
        $"{row.Op} {row.Direction.ToString().ToLowerInvariant()} {row.Shape} on {row.Backend}: ") +
        string.Create(CultureInfo.InvariantCulture,
        $"{row.Milliseconds:0.####} ms, {row.Gflops:0.0} GFLOP/s, {row.GBs:0.0} GB/s, ") +
        string.Create(CultureInfo.InvariantCulture,
        $"{row.OfLimit ?? double.NaN:0 %} of limit");
}
