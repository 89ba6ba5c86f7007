namespace Transformer.Cli.Output.Charts;

/// <summary>A plot area with two logarithmic axes at a place of a drawing.</summary>
/// <param name="svg">Where it is drawn.</param>
/// <param name="horizontal">The axis below.</param>
/// <param name="vertical">The axis at the left.</param>
/// <param name="left">Pixels of the plot area's left edge.</param>
/// <param name="top">Of its upper edge.</param>
/// <param name="width">Its width.</param>
/// <param name="height">Its height.</param>
internal sealed class LogPanel(
    SvgWriter svg, LogAxis horizontal, LogAxis vertical, double left, double top, double width,
    double height)
{
    private double Right => left + width;

    private double Bottom => top + height;

    /// <summary>Frame, grid, ticks and titles.</summary>
    public void DrawAxes(string title)
    {
        svg.Label("title", left, top - 12, "start", title);
        foreach (double tick in horizontal.Ticks())
        {
            double x = X(tick);
            svg.Line("grid", (x, top), (x, Bottom));
            svg.Label("quiet", x, Bottom + 18, "middle", LogAxis.Label(tick));
        }

        foreach (double tick in vertical.Ticks())
        {
            double y = Y(tick);
            svg.Line("grid", (left, y), (Right, y));
            svg.Label("quiet", left - 8, y + 4, "end", LogAxis.Label(tick));
        }

        svg.Line("frame", (left, top), (left, Bottom), (Right, Bottom));
        svg.Label("quiet", left + (width / 2), Bottom + 38, "middle", horizontal.Title);
        svg.Label("quiet", left - 52, top + (height / 2), "middle", vertical.Title, -90);
    }

    /// <summary>A line through points that lie within the axes.</summary>
    public void Line(string style, params ReadOnlySpan<(double X, double Y)> points)
    {
        (double X, double Y)[] places = new (double, double)[points.Length];
        for (int i = 0; i < places.Length; i++) places[i] = (X(points[i].X), Y(points[i].Y));
        svg.Line(style, places);
    }

    /// <summary>A marker whose text shows under the pointer.</summary>
    public void Mark(MarkStyle mark, double x, double y, string text) =>
        svg.Mark(mark, X(x), Y(y), text);

    /// <summary>Text beside a point.</summary>
    public void Label(
        string style, double x, double y, string anchor, string text, double down = 0) =>
        svg.Label(style, X(x), Y(y) + down, anchor, text);

    private double X(double value) => left + (width * horizontal.Share(value));

    private double Y(double value) => Bottom - (height * vertical.Share(value));
}
