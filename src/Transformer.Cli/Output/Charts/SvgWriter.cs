using System.Globalization;
using System.Text;
using System.Xml;

namespace Transformer.Cli.Output.Charts;

/// <summary>Writes the few elements that charts need. Colours are classes of one style sheet,
/// which follows the reader's choice of light or dark.</summary>
internal sealed class SvgWriter(XmlWriter xml)
{
    private const string Namespace = "http://www.w3.org/2000/svg";

    /// <summary>Colours of series: told apart by readers with any colour vision, on both
    /// backgrounds.</summary>
    public const int ColourCount = 6;

    private const string StyleSheet = """

        .chart { color-scheme: light dark; font: 12px system-ui, sans-serif; fill: #1f2328; }
        .chart .back { fill: #ffffff; }
        .chart .title { font-size: 14px; font-weight: 600; }
        .chart .quiet { fill: #59636e; }
        .chart .grid { stroke: #d1d9e0; stroke-width: 1; fill: none; }
        .chart .frame { stroke: #818b98; stroke-width: 1; fill: none; }
        .chart .roof { stroke: #1f2328; stroke-width: 1.5; fill: none; }
        .chart .guide { stroke: #818b98; stroke-width: 1; stroke-dasharray: 4 4; fill: none; }
        .chart .c0 { --c: #0969da; } .chart .c1 { --c: #bc4c00; } .chart .c2 { --c: #1a7f37; }
        .chart .c3 { --c: #8250df; } .chart .c4 { --c: #bf3989; } .chart .c5 { --c: #7d6b00; }
        .chart .line { stroke: var(--c); stroke-width: 2; fill: none; }
        .chart .full { fill: var(--c); stroke: var(--c); stroke-width: 1.5; }
        .chart .hollow { fill: transparent; stroke: var(--c); stroke-width: 1.8; }
        .chart .mark:hover { stroke-width: 5; }
        .chart .cell { fill: var(--c); }
        @media (prefers-color-scheme: dark) {
          .chart { fill: #f0f6fc; }
          .chart .back { fill: #0d1117; }
          .chart .quiet { fill: #9198a1; }
          .chart .grid { stroke: #2f353d; }
          .chart .frame, .chart .guide { stroke: #656c76; }
          .chart .roof { stroke: #f0f6fc; }
          .chart .c0 { --c: #58a6ff; } .chart .c1 { --c: #f0883e; } .chart .c2 { --c: #3fb950; }
          .chart .c3 { --c: #bc8cff; } .chart .c4 { --c: #f778ba; } .chart .c5 { --c: #d2b200; }
        }

        """;

    /// <summary>Writes a file of one chart.</summary>
    /// <param name="stream">Receives UTF-8.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="title">What it shows, for those who cannot see it.</param>
    /// <param name="draw">Draws the contents.</param>
    public static void WriteFile(
        Stream stream, double width, double height, string title, Action<SvgWriter> draw)
    {
        XmlWriterSettings settings = new()
        {
            Indent = true,
            NewLineChars = "\n",
            OmitXmlDeclaration = true,
            Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        };
        using (XmlWriter xml = XmlWriter.Create(stream, settings))
            new SvgWriter(xml).Root(width, height, title, draw);
        stream.WriteByte((byte)'\n');
    }

    /// <summary>The whole drawing, inside whatever is being written.</summary>
    public void Root(double width, double height, string title, Action<SvgWriter> draw)
    {
        xml.WriteStartElement("svg", Namespace);
        Set("class", "chart");
        Set("viewBox", $"0 0 {Text(width)} {Text(height)}");
        Set("width", Text(width));
        Set("height", Text(height));
        Set("role", "img");
        xml.WriteElementString("title", Namespace, title);
        xml.WriteElementString("style", Namespace, StyleSheet);
        Rectangle("back", 0, 0, width, height);
        draw(this);
        xml.WriteEndElement();
    }

    /// <summary>A rectangle.</summary>
    public void Rectangle(string style, double x, double y, double width, double height)
    {
        Start("rect", style);
        Set("x", Text(x));
        Set("y", Text(y));
        Set("width", Text(width));
        Set("height", Text(height));
        xml.WriteEndElement();
    }

    /// <summary>A square of a heat map; its text shows under the pointer.</summary>
    /// <param name="colour">Index of the colour.</param>
    /// <param name="strength">0, invisible, to 1, the full colour.</param>
    /// <param name="x">Left.</param>
    /// <param name="y">Top.</param>
    /// <param name="side">Width and height.</param>
    /// <param name="text">Null: none.</param>
    public void Cell(
        int colour, double strength, double x, double y, double side, string? text)
    {
        Start("rect", string.Create(CultureInfo.InvariantCulture, $"cell c{colour}"));
        Set("x", Text(x));
        Set("y", Text(y));
        Set("width", Text(side));
        Set("height", Text(side));
        Set("fill-opacity", strength.ToString("0.###", CultureInfo.InvariantCulture));
        if (text is not null) xml.WriteElementString("title", Namespace, Valid(text));
        xml.WriteEndElement();
    }

    /// <summary>Straight lines through points.</summary>
    public void Line(string style, params ReadOnlySpan<(double X, double Y)> points)
    {
        StringBuilder path = new();
        foreach ((double x, double y) in points)
        {
            path.Append(path.Length == 0 ? "" : " ").Append(Text(x)).Append(',').Append(Text(y));
        }

        Start("polyline", style);
        Set("points", path.ToString());
        xml.WriteEndElement();
    }

    /// <summary>A line of text; <paramref name="anchor"/> is start, middle or end.</summary>
    public void Label(
        string style, double x, double y, string anchor, string text, double turned = 0)
    {
        Start("text", style);
        Set("x", Text(x));
        Set("y", Text(y));
        if (anchor != "start") Set("text-anchor", anchor);
        if (turned != 0) Set("transform", $"rotate({Text(turned)} {Text(x)} {Text(y)})");
        xml.WriteString(Valid(text));
        xml.WriteEndElement();
    }

    /// <summary>A marker: circle, square or triangle; its text shows under the pointer.</summary>
    public void Mark(MarkStyle mark, double x, double y, string? text)
    {
        const double radius = 4.5;
        string style = $"mark c{mark.Colour} {(mark.IsHollow ? "hollow" : "full")}";
        switch (mark.Shape)
        {
            case 0:
                Start("circle", style);
                Set("cx", Text(x));
                Set("cy", Text(y));
                Set("r", Text(radius));
                break;
            case 1:
                Start("rect", style);
                Set("x", Text(x - 4));
                Set("y", Text(y - 4));
                Set("width", "8");
                Set("height", "8");
                break;
            default:
                Start("polygon", style);
                Set("points", $"{Text(x)},{Text(y - 5.5)} {Text(x + 5)},{Text(y + 4)} " +
                    $"{Text(x - 5)},{Text(y + 4)}");
                break;
        }

        if (text is not null) xml.WriteElementString("title", Namespace, text);
        xml.WriteEndElement();
    }

    /// <summary>Text without the few characters that XML cannot hold.</summary>
    private static string Valid(string text) => string.Concat(text.EnumerateRunes().Where(
        rune => !rune.IsBmp || XmlConvert.IsXmlChar((char)rune.Value)));

    private void Start(string name, string style)
    {
        xml.WriteStartElement(name, Namespace);
        Set("class", style);
    }

    private void Set(string name, string value) => xml.WriteAttributeString(name, value);

    private static string Text(double value) =>
        value.ToString("0.##", CultureInfo.InvariantCulture);
}

/// <summary>How a marker looks.</summary>
/// <param name="Colour">Index of the colour.</param>
/// <param name="Shape">0 circle, 1 square, 2 triangle.</param>
/// <param name="IsHollow">Its outline alone.</param>
internal readonly record struct MarkStyle(int Colour, int Shape = 0, bool IsHollow = false)
{
    /// <summary>The look of the n-th of several: colours first, then shapes.</summary>
    public static MarkStyle Of(int index) => new(
        index % SvgWriter.ColourCount, index / SvgWriter.ColourCount % 3);
}
