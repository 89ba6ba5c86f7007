using System.Text.Json;
using System.Xml.Linq;
using Transformer.Cli.Commands;
using Transformer.Cli.Output.Charts;
using Transformer.Models.Measurement;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>complexity</c>: the table, the points and their crossover; times are the machine's.
/// </summary>
public sealed class ComplexityCommandTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Points_AreMeasuredCountedAndDrawn()
    {
        using TemporaryFolder folder = new();
        CommandResult result = CommandLine.Run("complexity", "--lengths", "3,8", "--widths",
            "16,128", "--neighbourhood", "4", "--seconds", "0", "--json", folder["c.json"],
            "--svg", folder["c.svg"]).Succeeded();

        Assert.Contains("O(n²·d)", result.Output);
        Assert.Contains("width 128, ms", result.Output);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(folder["c.json"]));
        IReadOnlyList<LayerComplexityRow> rows = ComplexityCommand.ReadRows(json.RootElement);
        Assert.Equal(2 * 2 * 4, rows.Count);
        Assert.All(rows, row => Assert.True(row.Milliseconds > 0));
        double Operations(SequenceLayer layer, int length) => rows.Single(row =>
            row.Layer == layer && row.Length == length && row.Width == 16).Operations;
        Assert.Equal(4 * 64 * 16, Operations(SequenceLayer.SelfAttention, 8));
        // Two on each side: 3 + 4 + 4·5 + 4 + 3 pairs of eight positions, all of three.
        Assert.Equal(4 * 34 * 16, Operations(SequenceLayer.Restricted, 8));
        Assert.Equal(4 * 9 * 16, Operations(SequenceLayer.Restricted, 3));
        Assert.Equal(16 * 8 * 256, Operations(SequenceLayer.Recurrent, 8));
        Assert.Equal(8 * 8 * 256, Operations(SequenceLayer.Projections, 8));
        Assert.Equal([16, 128], json.RootElement.GetProperty("crossovers").EnumerateArray()
            .Select(row => row.GetProperty("d").GetInt32()));
        XDocument chart = XDocument.Load(folder["c.svg"]);
        Assert.Equal(rows.Count, chart.Descendants(Svg + "circle").Count(mark =>
            mark.Element(Svg + "title")?.Value.EndsWith(" ms", StringComparison.Ordinal) == true));
    }

    [Fact]
    public void Crossover_LiesOnStraightLinesOfLogarithms()
    {
        // Attention n², recurrence 100·n: equal at 100. With projections 36·n: equal at 64.
        IEnumerable<LayerComplexityRow> Width(int width, params int[] lengths) =>
            lengths.SelectMany(n => new LayerComplexityRow[]
            {
                new(SequenceLayer.SelfAttention, n, width, (double)n * n, 1),
                new(SequenceLayer.Restricted, n, width, 1, 1),
                new(SequenceLayer.Recurrent, n, width, 100.0 * n, 1),
                new(SequenceLayer.Projections, n, width, 36.0 * n, 1),
            });

        IReadOnlyList<LayerCrossover> found = LayerCrossover.Of(
            [.. Width(1, 16, 64, 256), .. Width(2, 16, 32), .. Width(3, 128, 256)]);

        Assert.Equal([1, 2, 3], found.Select(row => row.Width));
        Assert.Equal(100, found[0].Alone!.Value, 1e-9);
        Assert.Equal(64, found[0].WithProjections!.Value, 1e-9);
        Assert.Null(found[1].Alone);
        Assert.Equal(32, found[1].LongestLength);
        Assert.Equal(128, found[2].Alone);
    }

    [Fact]
    public void Line_PutsLettersAtTheLogarithmsOfTheirValues()
    {
        string line = LogLine.Of(1, 100, ('a', 1), ('b', 10), ('c', 100));

        Assert.Equal('a', line[0]);
        Assert.Equal('b', line[line.Length / 2]);
        Assert.Equal('c', line[^1]);
        Assert.Equal(line.Length - 3, line.Count(letter => letter == '·'));
        Assert.Equal('a', LogLine.Of(5, 5, ('a', 5))[0]);
    }

    [Theory]
    [InlineData("complexity: a width is 100; expected at most 64, or a multiple of it",
        "--widths", "100")]
    [InlineData("complexity: the lengths are '8,4'; expected growing numbers", "--lengths", "8,4")]
    [InlineData("complexity: the neighbourhood is 3; expected an even number",
        "--neighbourhood", "3")]
    [InlineData("complexity: length 4096 with width 32768 takes tensors of more than 1073741824",
        "--widths", "32768")]
    [InlineData("complexity: length 4096 with width 2147483584 takes tensors of more than",
        "--widths", "2147483584")]
    [InlineData("complexity: --seconds is -1; expected 0 to 3600", "--seconds", "-1")]
    [InlineData("--lengths is 'x'; expected a list such as 64,128", "--lengths", "x")]
    public void BadOptions_AreAnsweredInOneLine(string start, params string[] options) =>
        CommandLine.Run(["complexity", .. options]).IsBadInput($"error: {start}");
}
