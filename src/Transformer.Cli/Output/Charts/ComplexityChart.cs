using System.Globalization;
using Transformer.Cli.Commands;
using Transformer.Models.Measurement;

namespace Transformer.Cli.Output.Charts;

/// <summary>The curves of <c>complexity</c>: time over length, a panel a width.</summary>
internal static class ComplexityChart
{
    private const double PanelLeft = 76, PanelTop = 44, PanelWidth = 280, PanelHeight = 280;
    private const double PanelStep = 370, LegendStep = 150, Height = 430;

    private static readonly SequenceLayer[] Layers = Enum.GetValues<SequenceLayer>();

    /// <summary>Writes an SVG file.</summary>
    public static void WriteFile(Stream stream, IReadOnlyList<LayerComplexityRow> rows)
    {
        IGrouping<int, LayerComplexityRow>[] widths = [.. rows.GroupBy(row => row.Width)];
        // The legend needs two panels' room.
        double width = 10 + (PanelStep * Math.Max(2, widths.Length));
        SvgWriter.WriteFile(stream, width, Height,
            "Time of self-attention and of a recurrent layer over sequence length",
            svg => Draw(svg, widths, rows));
    }

    private static void Draw(
        SvgWriter svg, IGrouping<int, LayerComplexityRow>[] widths,
        IReadOnlyList<LayerComplexityRow> rows)
    {
        LogAxis lengths = LogAxis.Around(
            "length n", rows.Select(row => (double)row.Length), binary: true);
        LogAxis times = LogAxis.Around("milliseconds", rows.Select(row => row.Milliseconds));
        foreach ((int i, IGrouping<int, LayerComplexityRow> width) in widths.Index())
        {
            LogPanel panel = new(svg, lengths, times, PanelLeft + (i * PanelStep), PanelTop,
                PanelWidth, PanelHeight);
            panel.DrawAxes(string.Create(CultureInfo.InvariantCulture, $"d = {width.Key}"));
            foreach (SequenceLayer layer in Layers)
            {
                LayerComplexityRow[] points = [.. width.Where(row => row.Layer == layer)];
                MarkStyle mark = MarkStyle.Of((int)layer);
                panel.Line($"line c{mark.Colour}",
                    [.. points.Select(row => ((double)row.Length, row.Milliseconds))]);
                foreach (LayerComplexityRow row in points)
                {
                    panel.Mark(mark, row.Length, row.Milliseconds, string.Create(
                        CultureInfo.InvariantCulture, $"{ComplexityCommand.Name(layer)}, n = " +
                        $"{row.Length}, d = {row.Width}: {row.Milliseconds:0.###} ms"));
                }
            }
        }

        foreach ((int i, SequenceLayer layer) in Layers.Index())
        {
            double left = PanelLeft + (i * LegendStep);
            svg.Mark(MarkStyle.Of((int)layer), left, Height - 28, null);
            svg.Label("", left + 12, Height - 24, "start", ComplexityCommand.Name(layer));
        }
    }
}
