using System.Text.Json;
using System.Xml.Linq;
using Transformer.Backends;
using Transformer.Cli.Output;
using Transformer.Models;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>position-map</c>: the tables of positions, drawn.</summary>
public sealed class PositionMapCommandTests(MapModels models)
    : IClassFixture<MapModels>, IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Sinusoids_AreThoseOfTheFormula()
    {
        JsonElement table = Assert.Single(Tables("--positions", "5", "--width", "6"));
        Assert.Equal("sinusoidal", table.GetProperty("title").GetString());
        double[][] values = Values(table);
        Assert.Equal(5, values.Length);
        for (int position = 0; position < 5; position++)
        {
            for (int i = 0; i < 3; i++)
            {
                // The rounding of a value below 1 to binary32.
                double angle = position / Math.Pow(10000, 2 * i / 6.0);
                Assert.Equal(Math.Sin(angle), values[position][2 * i], 1e-7);
                Assert.Equal(Math.Cos(angle), values[position][(2 * i) + 1], 1e-7);
            }
        }
    }

    [Fact]
    public void Models_ShowTheirOwnTables()
    {
        JsonElement learned = Assert.Single(Tables("--model", models.Gpt, "--positions", "7"));
        Assert.Equal("embeddings.positions.weight, learned",
            learned.GetProperty("title").GetString());
        using Gpt gpt = Gpt.Load(models.Gpt, BackendRegistry.Cpu);
        float[] expected = new float[224 * 16];
        gpt.Parameters["embeddings.positions.weight"].CopyTo(expected);
        Assert.Equal(expected[..(7 * 16)],
            Values(learned).SelectMany(row => row).Select(value => (float)value));
        Assert.Equal(["positions.cosines, constant", "positions.sines, constant"],
            Titles(models.Rotary));
        Assert.Equal(
            ["source.positions.weight, constant", "target.positions.weight, constant"],
            Titles(models.Translator));
        Assert.Equal(["embeddings.positions.weight, learned"], Titles(models.Bert));
        Assert.Equal(["embeddings.positions.weight, learned"], Titles(models.Classifier));
    }

    [Fact]
    public void Drawing_GoesFromTheLeastToTheLargest()
    {
        CommandResult result = CommandLine.Run("position-map", "--positions", "4", "--width", "2",
            "--svg", files["map.svg"]).Succeeded();

        // sin and cos of 0, 1, 2 and 3, from −1 to 1 in five shades.
        Assert.Equal(
            ["sinusoidal (from −1 (blank) to 1 (█))", "  0", "0 ▒█", "1 █▓", "2 █░", "3 ▒ "],
            result.OutputLines);
        XElement[] cells = [.. XElement.Load(files["map.svg"]).Elements().Where(
            e => e.Attribute("class")?.Value.StartsWith("cell", StringComparison.Ordinal) == true)];
        Assert.Equal(["cell c0", "cell c0", "cell c0", "cell c0", "cell c0", "cell c1", "cell c0",
            "cell c1"], cells.Select(cell => cell.Attribute("class")!.Value));
        Assert.Equal(["0", "1", "0.841", "0.54", "0.909", "0.416", "0.141", "0.99"],
            cells.Select(cell => cell.Attribute("fill-opacity")!.Value));
        Assert.Equal("2, 1: -0.4161", cells[5].Value);
    }

    [Fact]
    public void LargeTables_AreJoined()
    {
        float[,] values = new float[5, 3];
        (values[1, 0], values[3, 2], values[4, 1]) = (-3, 2, float.NaN);
        HeatGrid grid = new("t", ["a", "b", "c", "d", "e"], ["x", "y", "z"], values, false);
        Assert.Same(grid, grid.Joined(5, 3));
        HeatGrid joined = grid.Joined(3, 2);
        Assert.Equal("t, the largest of each 2 × 2", joined.Title);
        Assert.Equal(["a", "c", "e"], joined.Rows);
        Assert.Equal(["x", "z"], joined.Columns);
        Assert.Equal([-3, 0, 0, 2, 0, 0], joined.Values.Cast<float>());
        Assert.Equal(-1, joined.Strength(0, 0));
        Assert.Equal(2 / 3.0, joined.Strength(1, 1), 1e-12);
        CommandResult large = CommandLine.Run("position-map", "--positions", "1000", "--width",
            "512", "--svg", files["map.svg"]).Succeeded();
        Assert.InRange(large.OutputLines.Length, 32, 66);
        Assert.All(large.OutputLines, line => Assert.InRange(line.Length, 1, 200));
        Assert.InRange(new FileInfo(files["map.svg"]).Length, 100_000, 12_000_000);
    }

    [Fact]
    public void BadInput()
    {
        CommandLine.Run("position-map", "--positions", "0")
            .IsBadInput("--positions is 0; expected 1 or more");
        CommandLine.Run("position-map", "--positions", "100000", "--width", "100000")
            .IsBadInput("100000 positions of width 100000; expected at most");
        CommandLine.Run("position-map", "--model", models.Gpt, "--width", "4")
            .IsBadInput("--width goes without --model");
        CommandLine.Run("position-map", "--model", models.None)
            .IsBadInput("has no table of positions. Choose another one.");
        CommandLine.Run("position-map", "--model", files["no"])
            .IsBadInput("Cannot find model folder");
    }

    private static JsonElement[] Tables(params string[] arguments) =>
        [.. JsonDocument.Parse(CommandLine.Run(["position-map", .. arguments, "--json", "-"])
            .Succeeded().Output).RootElement.GetProperty("tables").EnumerateArray()];

    private static IEnumerable<string?> Titles(string model) =>
        Tables("--model", model).Select(table => table.GetProperty("title").GetString());

    private static double[][] Values(JsonElement table) =>
        [.. table.GetProperty("values").EnumerateArray().Select(
            row => row.EnumerateArray().Select(value => value.GetDouble()).ToArray())];
}
