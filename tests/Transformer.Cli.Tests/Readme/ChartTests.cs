using System.Text.Json;
using Transformer.Cli.Commands;
using Transformer.Cli.Commands.Bench;
using Transformer.Cli.Output.Charts;

namespace Transformer.Cli.Tests.Readme;

/// <summary>The charts that pages show are drawn from committed result files.
/// <c>UPDATE_README=1 dotnet test --filter Readme</c> redraws them.</summary>
public sealed class ChartTests
{
    [Fact]
    public void Scaling_IsDrawnFromItsResult() => RequireCurrent("scaling", "README.md", "",
        (stream, result) => ScalingChart.WriteFile(
            stream, ScalingRun.ReadJson(result.GetProperty("scaling"))));

    [Fact]
    public void Complexity_IsDrawnFromItsResult() => RequireCurrent(
        "complexity", "src/Transformer.Models/Measurement/README.md", "../../../",
        (stream, result) => ComplexityChart.WriteFile(stream, ComplexityCommand.ReadRows(result)));

    /// <summary>Requires the committed chart to be what its result gives, and a page to show it.
    /// </summary>
    private static void RequireCurrent(
        string name, string page, string toRoot, Action<Stream, JsonElement> draw)
    {
        string chart = ResultFiles.Committed.PathOf($"{name}.svg");
        using MemoryStream drawn = new();
        draw(drawn, ResultFiles.Committed.Read($"{name}.json"));
        if (Environment.GetEnvironmentVariable("UPDATE_README") == "1")
        {
            File.WriteAllBytes(chart, drawn.ToArray());
            return;
        }

        Assert.True(File.ReadAllBytes(chart).AsSpan().SequenceEqual(drawn.ToArray()),
            $"{chart} is stale. Run: UPDATE_README=1 dotnet test -c Release " +
            "tests/Transformer.Cli.Tests --filter Readme");
        Assert.Contains($"({toRoot}{ResultFiles.Folder}/{name}.svg)",
            File.ReadAllText(Path.Combine(ResultFiles.Root(), page)));
    }
}
