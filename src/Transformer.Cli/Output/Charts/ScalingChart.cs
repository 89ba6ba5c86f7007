using System.Globalization;
using Transformer.Cli.Commands.Bench;

namespace Transformer.Cli.Output.Charts;

/// <summary>The curves of <c>bench --scaling</c>: time over length, memory over length, time over
/// width.</summary>
internal static class ScalingChart
{
    private const double Width = 1120, Height = 472;
    private const double PanelTop = 44, PanelWidth = 280, PanelHeight = 280;
    private const double LegendTop = PanelTop + PanelHeight + 66, LegendLine = 20;

    private static readonly double[] Lefts = [76, 446, 816];

    /// <summary>Writes an SVG file.</summary>
    public static void WriteFile(Stream stream, ScalingResult result) =>
        SvgWriter.WriteFile(stream, Width, Height, Title, svg => Draw(svg, result));

    /// <summary>Writes the drawing into a page.</summary>
    public static void Write(SvgWriter svg, ScalingResult result) =>
        svg.Root(Width, Height, Title, inner => Draw(inner, result));

    private static string Title =>
        "Time and memory of attention over sequence length, and time of layers over width";

    private static void Draw(SvgWriter svg, ScalingResult result)
    {
        ScalingCurve[] lengths =
            [.. result.Curves.Where(c => c.Series.Axis == ScalingAxis.Length)];
        ScalingCurve[] widths = [.. result.Curves.Where(c => c.Series.Axis == ScalingAxis.Width)];
        Panel(svg, Lefts[0], "Time over length", "sequence length", "milliseconds a call",
            lengths, 0, point => point.Milliseconds);
        Panel(svg, Lefts[1], "Memory over length", "sequence length", "MiB, operands included",
            lengths, 0, point => point.PeakMiB ?? double.NaN);
        Panel(svg, Lefts[2], "Time over width", "width W", "milliseconds a call", widths,
            lengths.Length, point => point.Milliseconds);
        Legend(svg, Lefts[0], lengths, 0);
        Legend(svg, Lefts[2] - 90, widths, lengths.Length);
        svg.Label("quiet", Lefts[0], Height - 14, "start",
            "× a doubling: at the last one. Where curves coincide, the later one is seen.");
    }

    private static void Panel(
        SvgWriter svg, double left, string title, string horizontal, string vertical,
        ScalingCurve[] curves, int firstColour, Func<ScalingPoint, double> value)
    {
        IEnumerable<ScalingPoint> all = curves.SelectMany(c => c.Points);
        LogPanel panel = new(svg,
            LogAxis.Around(horizontal, all.Select(p => (double)p.Size), binary: true),
            LogAxis.Around(vertical, all.Select(value)), left, PanelTop, PanelWidth, PanelHeight);
        panel.DrawAxes(title);
        foreach ((int i, ScalingCurve curve) in curves.Index())
        {
            MarkStyle mark = MarkStyle.Of(firstColour + i);
            ScalingPoint[] known = [.. curve.Points.Where(p => value(p) > 0)];
            if (known.Length == 0) continue;
            panel.Line(
                $"line c{mark.Colour}", [.. known.Select(p => ((double)p.Size, value(p)))]);
            foreach (ScalingPoint point in known)
            {
                string peak = point.PeakMiB is { } mib
                    ? string.Create(CultureInfo.InvariantCulture, $", peak {mib:0.##} MiB") : "";
                panel.Mark(mark, point.Size, value(point), string.Create(
                    CultureInfo.InvariantCulture,
                    $"{curve.Series.Name}, {point.Size}: {point.Milliseconds:0.###} ms, ") +
                    string.Create(CultureInfo.InvariantCulture,
                    $"operands {point.OperandMiB:0.##} MiB{peak}"));
            }
        }
    }

    private static void Legend(SvgWriter svg, double left, ScalingCurve[] curves, int firstColour)
    {
        if (curves.Length == 0) return;
        foreach ((int i, ScalingCurve curve) in curves.Index())
        {
            double y = LegendTop + (i * LegendLine);
            svg.Mark(MarkStyle.Of(firstColour + i), left, y - 4, null);
            string slope = curve.Points.Count < 2 ? "" : string.Create(
                CultureInfo.InvariantCulture,
                $"; time × {Math.Pow(2, curve.TimeSlopes.Last()):0.0} a doubling");
            svg.Label("", left + 12, y, "start", curve.Series.Name + slope);
        }
    }
}
