using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Xml;
using Transformer.Models.Interchange;

namespace Transformer.Cli.Output;

/// <summary>Attention as SVG and JSON.</summary>
internal static class AttentionFiles
{
    private const int Cell = 22, Margin = 16, TitleHeight = 24, LetterWidth = 8;
    private const int GridsPerLine = 4;

    /// <summary>Writes the SVG: one grid a head, tokens on both axes.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void WriteSvg(string path, IReadOnlyList<AttentionGrid> grids) =>
        AtomicFile.Write(path, stream =>
        {
            XmlWriterSettings settings = new()
            {
                Indent = true,
                Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
            };
            using XmlWriter svg = XmlWriter.Create(stream, settings);
            int labels = LetterWidth * grids.Max(g => g.Rows.Concat(g.Columns).Max(t => t.Length));
            int width = labels + (Cell * grids.Max(g => g.Columns.Length)) + Margin;
            int height = TitleHeight + labels + (Cell * grids.Max(g => g.Rows.Length)) + Margin;
            int across = Math.Min(GridsPerLine, grids.Count);
            int down = (grids.Count + across - 1) / across;
            svg.WriteStartElement("svg", "http://www.w3.org/2000/svg");
            Set(svg, ("width", (width * across) + Margin), ("height", (height * down) + Margin));
            svg.WriteAttributeString("font-family", "sans-serif");
            svg.WriteAttributeString("font-size", "13");
            svg.WriteStartElement("rect");
            svg.WriteAttributeString("width", "100%");
            svg.WriteAttributeString("height", "100%");
            svg.WriteAttributeString("fill", "white");
            svg.WriteEndElement();
            for (int i = 0; i < grids.Count; i++)
            {
                Grid(svg, grids[i], (i % across * width) + Margin, (i / across * height) + Margin,
                    labels);
            }

            svg.WriteEndElement();
        });

    /// <summary>Writes the grids as a JSON object.</summary>
    public static void WriteJson(Utf8JsonWriter json, IReadOnlyList<AttentionGrid> grids)
    {
        json.WriteStartObject();
        json.WriteStartArray("maps");
        foreach (AttentionGrid grid in grids)
        {
            json.WriteStartObject();
            json.WriteString("kind", grid.Kind);
            json.WriteNumber("layer", grid.Layer);
            json.WriteNumber("head", grid.Head);
            WriteTexts(json, "rows", grid.Rows);
            WriteTexts(json, "columns", grid.Columns);
            json.WriteStartArray("weights");
            for (int row = 0; row < grid.Rows.Length; row++)
            {
                json.WriteStartArray();
                for (int column = 0; column < grid.Columns.Length; column++)
                    json.WriteNumberValue(grid.Weights[row, column]);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, string[] texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    private static void Grid(XmlWriter svg, AttentionGrid grid, int x, int y, int labels)
    {
        Text(svg, grid.Title, x, y + 14, "start", null);
        int left = x + labels, top = y + TitleHeight + labels;
        for (int column = 0; column < grid.Columns.Length; column++)
        {
            int cx = left + (column * Cell) + 15;
            Text(svg, grid.Columns[column], cx, top - 6, "start",
                string.Create(CultureInfo.InvariantCulture, $"rotate(-90 {cx} {top - 6})"));
        }

        for (int row = 0; row < grid.Rows.Length; row++)
        {
            Text(svg, grid.Rows[row], left - 6, top + (row * Cell) + 15, "end", null);
            for (int column = 0; column < grid.Columns.Length; column++)
            {
                svg.WriteStartElement("rect");
                Set(svg, ("x", left + (column * Cell)), ("y", top + (row * Cell)),
                    ("width", Cell - 1), ("height", Cell - 1));
                svg.WriteAttributeString("fill", "#0b57d0");
                string weight =
                    grid.Weights[row, column].ToString("F4", CultureInfo.InvariantCulture);
                svg.WriteAttributeString("fill-opacity", weight);
                svg.WriteAttributeString("stroke", "#dddddd");
                svg.WriteElementString("title", "http://www.w3.org/2000/svg",
                    $"{grid.Rows[row]} → {grid.Columns[column]}: {weight}");
                svg.WriteEndElement();
            }
        }
    }

    private static void Text(
        XmlWriter svg, string text, int x, int y, string anchor, string? transform)
    {
        svg.WriteStartElement("text");
        Set(svg, ("x", x), ("y", y));
        svg.WriteAttributeString("text-anchor", anchor);
        if (transform is not null) svg.WriteAttributeString("transform", transform);
        svg.WriteString(string.Concat(text.Where(XmlConvert.IsXmlChar)));
        svg.WriteEndElement();
    }

    private static void Set(XmlWriter svg, params ReadOnlySpan<(string Name, int Value)> attributes)
    {
        foreach ((string name, int value) in attributes)
            svg.WriteAttributeString(name, value.ToString(CultureInfo.InvariantCulture));
    }
}
