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
    private const int Notes = 6;

    // Ops that only move data would stretch the axis by powers of ten: they stand at its edge.
    private const double LeastIntensity = 0.05;

    /// <summary>Writes the drawing into a page.</summary>
    /// <param name="svg">The page's writer.</param>
    /// <param name="limits">The roof.</param>
    /// <param name="rows">The rows.</param>
    public static void Write(SvgWriter svg, MachineLimits limits, IReadOnlyList<BenchRow> rows) =>
        svg.Root(Width, Height(rows), "Roofline: measured rows and the machine's limits",
            inner => Draw(inner, limits, rows));

    private static double Height(IReadOnlyList<BenchRow> rows) =>
        Math.Max(Top + PlotHeight + 56, Top + ((Ops(rows).Length + Notes + 2) * LegendLine));

    private static string[] Ops(IReadOnlyList<BenchRow> rows) =>
        [.. rows.Where(HasPlace).Select(row => row.Op).Distinct()];

    private static bool HasPlace(BenchRow row) =>
        row.Unsupported is null && row.GBs > 0;

    private static void Draw(SvgWriter svg, MachineLimits limits, IReadOnlyList<BenchRow> rows)
    {
        BenchRow[] placed = [.. rows.Where(HasPlace)];
        double ridge = limits.FmaPeakGflops / limits.Bandwidth;
        LogAxis intensity = LogAxis.Around("operations per byte that must move",
            [.. placed.Select(Intensity), ridge / 4, ridge * 8]);
        LogAxis rate = LogAxis.Around("GFLOP/s",
            [.. placed.Select(Rate), limits.FmaPeakGflops * 1.2,
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
            panel.Mark(mark, Intensity(row), Rate(row), Describe(row));
        }

        foreach ((int i, string op) in ops.Index())
        {
            double y = Top + 8 + (i * LegendLine);
            svg.Mark(MarkStyle.Of(i), LegendLeft, y - 4, null);
            svg.Label("", LegendLeft + 14, y, "start", op);
        }

        double last = Top + 8 + ((ops.Length + 0.5) * LegendLine);
        svg.Line("roof", (LegendLeft - 8, last - 4), (LegendLeft + 8, last - 4));
        svg.Line("guide", (LegendLeft - 8, last + LegendLine - 4),
            (LegendLeft + 8, last + LegendLine - 4));
        bool reads = limits.ReadGBs >= limits.CopyGBs;
        string read = string.Create(
            CultureInfo.InvariantCulture, $"read {limits.ReadGBs:0.0} GB/s");
        string copy = string.Create(
            CultureInfo.InvariantCulture, $"copy {limits.CopyGBs:0.0} GB/s");
        svg.Label("", LegendLeft + 14, last, "start", reads ? read : copy);
        svg.Label("", LegendLeft + 14, last + LegendLine, "start", reads ? copy : read);
        string[] notes =
        [
            "filled forward, hollow backward", "above the roof: operands in a cache",
            "or updated in place", "left edge: hardly any operations,", "placed by bytes a second",
        ];
        foreach ((int i, string note) in notes.Index())
        {
            svg.Label("quiet", LegendLeft - 8, last + ((i + 3) * (LegendLine - 3)), "start",
                note);
        }
    }

    private static void Roof(
        LogPanel panel, MachineLimits limits, LogAxis intensity, LogAxis rate)
    {
        double peak = limits.FmaPeakGflops;
        double slower = Math.Min(limits.CopyGBs, limits.ReadGBs);
        Slope("guide", slower);
        double ridge = Slope("roof", limits.Bandwidth);
        panel.Line("roof", (ridge, peak), (intensity.High, peak));
        panel.Label("quiet", intensity.High, peak, "end",
            string.Create(CultureInfo.InvariantCulture, $"FMA peak {peak:0} GFLOP/s"), -7);

        double Slope(string style, double bandwidth)
        {
            double end = peak / bandwidth, start = Math.Max(intensity.Low, rate.Low / bandwidth);
            if (start < end) panel.Line(style, (start, start * bandwidth), (end, peak));
            return end;
        }
    }

    private static double Intensity(BenchRow row) =>
        Math.Max(row.Gflops / row.GBs, LeastIntensity);

    // As far below the roof as its bytes are, where it stands at the edge.
    private static double Rate(BenchRow row) => row.GBs * Intensity(row);

    private static string Describe(BenchRow row) => string.Create(CultureInfo.InvariantCulture,
        $"{row.Op} {row.Direction.ToString().ToLowerInvariant()} {row.Shape} on {row.Backend}: ") +
        string.Create(CultureInfo.InvariantCulture,
        $"{row.Milliseconds:0.####} ms, {row.Gflops:0.0} GFLOP/s, {row.GBs:0.0} GB/s, ") +
        string.Create(CultureInfo.InvariantCulture,
        $"{row.OfLimit ?? double.NaN:0 %} of limit");
}
