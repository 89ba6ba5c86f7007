using System.Text.Json;
using System.Xml.Linq;
using Transformer.Backends;
using Transformer.Cli.Commands.Bench;
using Transformer.Cli.Output.Charts;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>bench</c>: curves, page and charts; the figures themselves are the machine's.
/// </summary>
public sealed class BenchCommandTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Scaling_MeasuresEachPointInItsOwnProcess()
    {
        using TemporaryFolder folder = new();
        CommandLine.Run("bench", "--scaling", "--op", "LayerNorm", "--size", "small", "--seconds",
            "0.001", "--json", folder["scaling.json"], "--svg", folder["scaling.svg"]).Succeeded();

        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(folder["scaling.json"]));
        Assert.False(json.RootElement.TryGetProperty("rows", out _));
        ScalingResult result =
            ScalingRun.ReadJson(json.RootElement.GetProperty("scaling"));
        Assert.InRange(result.FirstResultMs, 1, 60_000);
        ScalingCurve curve = Assert.Single(result.Curves);
        Assert.Equal([64, 128, 256], curve.Points.Select(point => point.Size));
        // Input, residual, output and sum of 512 tokens; weight and bias.
        Assert.All(curve.Points, point => Assert.Equal(
            4.0 * ((4 * 512) + 2) * point.Size / (1 << 20), point.OperandMiB, 1e-3));
        Assert.All(curve.Points, point => Assert.True(point.Milliseconds > 0));
        // Pages that the operands lie in were touched, where the system tells.
        Assert.All(curve.Points, point =>
            Assert.True(point.PeakMiB is null || point.PeakMiB >= 0.9 * point.OperandMiB));
        XDocument chart = XDocument.Load(folder["scaling.svg"]);
        Assert.Equal(3, chart.Descendants(Svg + "circle").Count(mark =>
            mark.Element(Svg + "title")?.Value.Contains(" ms,") == true));
    }

    [Fact]
    public void Page_HoldsEveryRowAndNothingFromOutside()
    {
        BenchRow add = new("Add", "simd", "[4] <&>", DType.Float32, OpDirection.Forward, 0.5, 1,
            12, 0.25, null, 3, false, null) { Copies = 7 };
        BenchRow moved = add with { Op = "KvCacheAppend", Gflops = 0 };
        BenchRow lacking = add with { Op = "Linear", Unsupported = "no kernel" };
        ScalingCurve curve = new(ScalingSeries.All[0], [new(128, 1, 1, 1.5), new(256, 4, 2, 3)]);
        using MemoryStream stream = new();
        new BenchPage("transformer bench", new(50, 100, 10, 12, 2, 256), [add, moved, lacking],
            new(90, [curve])).Write(stream);
        string page = System.Text.Encoding.UTF8.GetString(stream.ToArray());

        Assert.StartsWith("<!DOCTYPE html", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page);
        Assert.DoesNotContain("<link", page);
        Assert.DoesNotContain("src=", page);
        Assert.DoesNotContain("NaN", page);
        XElement root = XDocument.Parse(page).Root!;
        string[] marks = [.. root.Descendants(Svg + "title").Select(title => title.Value)];
        Assert.Contains("Add forward [4] <&> on simd: 0.5 ms, 1.0 GFLOP/s, 12.0 GB/s, " +
            "25 % of limit", marks);
        Assert.Contains(marks, mark => mark.StartsWith("KvCacheAppend", StringComparison.Ordinal));
        Assert.DoesNotContain(marks, mark => mark.StartsWith("Linear", StringComparison.Ordinal));
        Assert.Contains("[4] <&>, not supported: no kernel",
            root.Descendants("td").Select(cell => cell.Value));
        // Twice the length, four times the time.
        Assert.Contains("2.00", root.Descendants("td").Select(cell => cell.Value));
    }

    [Fact]
    public void Axis_ShowsPowersWithinItsEnds()
    {
        LogAxis lengths = LogAxis.Around("length", [128, 256, 32768], binary: true);
        Assert.Equal(["128", "256", "512", "1k", "2k", "4k", "8k", "16k", "32k"],
            lengths.Ticks().Select(LogAxis.Label));
        Assert.InRange(lengths.Share(128), 0.01, 0.2);
        Assert.InRange(lengths.Share(32768), 0.8, 0.99);

        LogAxis times = LogAxis.Around("ms", [0.06, 0.4]);
        Assert.Equal(["0.05", "0.1", "0.2", "0.5"], times.Ticks().Select(LogAxis.Label));
    }

    [Fact]
    public void Threads_ChangeTheLimitsThreads()
    {
        int before = BackendRegistry.CpuThreads;
        try
        {
            CommandResult result = CommandLine.Run("bench", "--op", "Add", "--size", "small",
                "--seconds", "0.05", "--threads", "1", "--json", "-").Succeeded();
            using JsonDocument json = JsonDocument.Parse(result.Output);
            Assert.Equal(1, json.RootElement.GetProperty("machine").GetProperty("threads")
                .GetInt32());
            JsonElement row = Assert.Single(json.RootElement.GetProperty("rows").EnumerateArray());
            Assert.True(row.GetProperty("copies").GetInt32() > 1);
            Assert.True(row.GetProperty("allocatedBytes").GetInt64() >= 0);
        }
        finally
        {
            BackendRegistry.CpuThreads = before;
        }
    }

    [Theory]
    [InlineData("--threads is 0; expected 1 to", "--threads", "0")]
    [InlineData("--seconds is 0; expected more than 0", "--seconds", "0")]
    [InlineData("Add --scaling.", "--svg", "chart.svg")]
    [InlineData("there is no folder", "--html", "missing/page.html")]
    [InlineData("op 'Nothing' is unknown", "--scaling", "--op", "Nothing")]
    public void BadInput_IsRefusedBeforeAnythingIsMeasured(
        string message, params string[] arguments) =>
        CommandLine.Run(["bench", .. arguments]).IsBadInput(message);
}
