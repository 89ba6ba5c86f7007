using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Xml;
using Transformer.Cli.Commands.Bench;
using Transformer.Models.Interchange;
using Transformer.Verification;

namespace Transformer.Cli.Output.Charts;

/// <summary><c>bench --html</c>: one page that needs nothing else.</summary>
/// <param name="Command">What was typed.</param>
/// <param name="Limits">The machine.</param>
/// <param name="Rows">The ops.</param>
/// <param name="Scaling">The curves.</param>
internal sealed record BenchPage(
    string Command, MachineLimits Limits, IReadOnlyList<BenchRow> Rows, ScalingResult Scaling)
{
    private const string StyleSheet = """

        :root { color-scheme: light dark; }
        body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1240px;
          padding: 0 1rem; color: #1f2328; background: #ffffff; }
        h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
        table { border-collapse: collapse; font: 13px/1.5 system-ui, sans-serif;
          font-variant-numeric: tabular-nums; }
        th, td { padding: 0.15rem 0.5rem; text-align: right; border-bottom: 1px solid #d1d9e0;
          white-space: nowrap; }
        th.word, td.word { text-align: left; }
        tr:hover td { background: #f6f8fa; }
        .scroll { overflow-x: auto; } .scroll svg { display: block; }
        .note { color: #59636e; } code { font-size: 0.9em; }
        @media (prefers-color-scheme: dark) {
          body { color: #f0f6fc; background: #0d1117; } th, td { border-color: #2f353d; }
          tr:hover td { background: #151b23; } .note { color: #9198a1; }
        }

        """;

    /// <summary>Writes the file, as a whole or not at all.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes UTF-8.</summary>
    internal void Write(Stream stream)
    {
        XmlWriterSettings settings = new()
        {
            Indent = true,
            NewLineChars = "\n",
            OmitXmlDeclaration = true,
            Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        };
        using XmlWriter html = XmlWriter.Create(stream, settings);
        html.WriteDocType("html", null, null, null);
        html.WriteStartElement("html");
        html.WriteAttributeString("lang", "en");
        Head(html);
        html.WriteStartElement("body");
        html.WriteElementString("h1", "Transformer: measured on this machine");
        Note(html, Command);
        Machine(html);
        html.WriteElementString("h2", "Roofline");
        Chart(html, svg => RooflineChart.Write(svg, Limits, Rows));
        Note(html, "Point at a mark to see its row. Needed work: each input read once, each " +
            "output written once; hidden pairs of attention do not count.");
        html.WriteElementString("h2", "Ops");
        OpRows(html);
        Note(html, "Allocated: managed bytes a call. Of limit: the time that the roofline asks " +
            "for, over the time taken. Copies: instances of the operands that calls took in " +
            "turns where memory is the limit; with one, they may have stayed in a cache. " +
            "~: the reference was timed on a smaller call.");
        html.WriteElementString("h2", "How cost grows");
        Chart(html, svg => ScalingChart.Write(svg, Scaling));
        foreach (ScalingCurve curve in Scaling.Curves) Curve(html, curve);
        html.WriteEndElement();
        html.WriteEndElement();
    }

    private static void Head(XmlWriter html)
    {
        html.WriteStartElement("head");
        html.WriteStartElement("meta");
        html.WriteAttributeString("charset", "utf-8");
        html.WriteEndElement();
        html.WriteStartElement("meta");
        html.WriteAttributeString("name", "viewport");
        html.WriteAttributeString("content", "width=device-width, initial-scale=1");
        html.WriteEndElement();
        html.WriteElementString("title", "Transformer: measurements");
        html.WriteElementString("style", StyleSheet);
        html.WriteEndElement();
    }

    private void Machine(XmlWriter html)
    {
        html.WriteElementString("h2", "Machine");
        string library = typeof(BenchRunner).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        (string, string)[] facts =
        [
            ("processor", BenchReport.Processor()),
            ("system", RuntimeInformation.OSDescription),
            ("runtime", RuntimeInformation.FrameworkDescription),
            ("library", $"Transformer {library}"),
            ("threads", Text(Limits.Threads, "0")),
            ("vectors", Text(Limits.VectorBits, "0") + " bits"),
            ("FMA peak, all threads", Text(Limits.FmaPeakGflops, "0") + " GFLOP/s"),
            ("FMA peak, one thread", Text(Limits.FmaPeakGflopsOneCore, "0") + " GFLOP/s"),
            ("copy, read plus written", Text(Limits.CopyGBs, "0.0") + " GB/s"),
            ("read", Text(Limits.ReadGBs, "0.0") + " GB/s"),
            ("first attention result of a new process",
                Text(Scaling.FirstResultMs, "0") + " ms"),
        ];
        Table(html, null, words: 2, [.. facts.Select(fact => (string[])[fact.Item1, fact.Item2])]);
    }

    private void OpRows(XmlWriter html) => Table(html,
        ["op", "direction", "backend", "shape", "ms", "GFLOP/s", "GB/s", "of limit", "copies",
            "allocated", "× unfused", "× reference"], words: 4,
        [.. Rows.Select(row => (string[])
        [
            row.Op, row.Direction.ToString().ToLowerInvariant(), row.Backend,
            row.Unsupported is null ? row.Shape : $"{row.Shape}, not supported: {row.Unsupported}",
            Text(row.Milliseconds, row.Milliseconds < 0.01 ? "0.00000" : "0.000"),
            Text(row.Gflops, "0.0"), Text(row.GBs, "0.0"), Text(row.OfLimit, "0 %"),
            Text(row.Copies, "0"), Text(row.AllocatedBytes, "0"), Text(row.OverUnfused, "0.0"),
            (row.ReferenceEstimated ? "~" : "") + Text(row.OverReference, "0"),
        ])]);

    private static void Curve(XmlWriter html, ScalingCurve curve)
    {
        html.WriteElementString("h3", $"{curve.Series.Name} ({curve.Series.Fixed})");
        double[] time = [double.NaN, .. curve.TimeSlopes];
        double[] memory = [double.NaN, .. curve.MemorySlopes];
        string axis = curve.Series.Axis.ToString().ToLowerInvariant();
        Table(html, [axis, "ms", "slope", "operands MiB", "peak MiB", "slope"], words: 0,
            [.. curve.Points.Index().Select(p => (string[])
            [
                Text(p.Item.Size, "0"), Text(p.Item.Milliseconds, "0.000"),
                Text(time[p.Index], "0.00"), Text(p.Item.OperandMiB, "0.00"),
                Text(p.Item.PeakMiB, "0.00"), Text(memory[p.Index], "0.00"),
            ])]);
    }

    private static void Table(XmlWriter html, string[]? headers, int words, string[][] rows)
    {
        html.WriteStartElement("div");
        html.WriteAttributeString("class", "scroll");
        html.WriteStartElement("table");
        if (headers is not null) Row(html, "th", headers, words);
        foreach (string[] row in rows) Row(html, "td", row, words);
        html.WriteEndElement();
        html.WriteEndElement();
    }

    private static void Row(XmlWriter html, string element, string[] cells, int words)
    {
        html.WriteStartElement("tr");
        foreach ((int i, string cell) in cells.Index())
        {
            html.WriteStartElement(element);
            if (i < words) html.WriteAttributeString("class", "word");
            html.WriteString(cell);
            html.WriteEndElement();
        }

        html.WriteEndElement();
    }

    private static void Chart(XmlWriter html, Action<SvgWriter> draw)
    {
        html.WriteStartElement("div");
        html.WriteAttributeString("class", "scroll");
        draw(new(html));
        html.WriteEndElement();
    }

    private static void Note(XmlWriter html, string text)
    {
        html.WriteStartElement("p");
        html.WriteAttributeString("class", "note");
        html.WriteString(text);
        html.WriteEndElement();
    }

    // An element without text would be read as one that never closes.
    private static string Text(double? value, string format) =>
        value is { } number && double.IsFinite(number)
            ? number.ToString(format, CultureInfo.InvariantCulture) : "–";
}
