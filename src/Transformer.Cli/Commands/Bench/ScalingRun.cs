using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands.Bench;

/// <summary><c>bench --scaling</c>: how time and memory grow with length and width.</summary>
internal static class ScalingRun
{
    private const int FirstResults = 5;

    /// <summary>Measures the curves of the named ops, each point in a process of its own.</summary>
    /// <param name="console">Gets a table a curve.</param>
    /// <param name="ops">Names of ops; none: all curves.</param>
    /// <param name="quick">Only the sizes that take milliseconds.</param>
    /// <param name="budget">Time for each point.</param>
    /// <param name="cancellation">Ends it between two points.</param>
    public static ScalingResult Run(
        IAnsiConsole console, IReadOnlyCollection<string> ops, bool quick, TimeSpan budget,
        CancellationToken cancellation)
    {
        double[] first = [.. Enumerable.Range(0, FirstResults)
            .Select(_ => ScalingProcess.FirstResult()).Order()];
        console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"first attention result of a new process: {first[FirstResults / 2]:F0} ms"));
        List<ScalingCurve> curves = [];
        foreach (ScalingSeries series in ScalingSeries.All)
        {
            if (ops.Count > 0 && !ops.Contains(series.Op, StringComparer.OrdinalIgnoreCase))
                continue;
            List<ScalingPoint> points = [];
            foreach (int size in series.Sizes(quick))
            {
                cancellation.ThrowIfCancellationRequested();
                points.Add(ScalingProcess.Start(series, size, budget));
            }

            ScalingCurve curve = new(series, points);
            curves.Add(curve);
            console.WriteLine();
            console.WriteLine($"{series.Name} ({series.Fixed})");
            console.Write(Table(curve));
        }

        return new(first[FirstResults / 2], curves);
    }

    /// <summary>Writes <c>scaling: {firstResultMs, curves: [{name, op, axis, fixed, points: [{size,
    /// ms, operandMiB, peakMiB}], timeSlopes, memorySlopes}]}</c> into an object.</summary>
    public static void WriteJson(Utf8JsonWriter json, ScalingResult result)
    {
        json.WriteStartObject("scaling");
        json.WriteNumber("firstResultMs", Math.Round(result.FirstResultMs, 1));
        json.WriteStartArray("curves");
        foreach (ScalingCurve curve in result.Curves)
        {
            json.WriteStartObject();
            json.WriteString("name", curve.Series.Name);
            json.WriteString("op", curve.Series.Op);
            json.WriteString("axis", curve.Series.Axis.ToString().ToLowerInvariant());
            json.WriteString("fixed", curve.Series.Fixed);
            json.WriteStartArray("points");
            foreach (ScalingPoint point in curve.Points)
            {
                json.WriteStartObject();
                json.WriteNumber("size", point.Size);
                json.WriteNumber("ms", point.Milliseconds);
                json.WriteNumber("operandMiB", Math.Round(point.OperandMiB, 3));
                if (point.PeakMiB is { } peak) json.WriteNumber("peakMiB", Math.Round(peak, 3));
                else json.WriteNull("peakMiB");
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteSlopes(json, "timeSlopes", curve.TimeSlopes);
            WriteSlopes(json, "memorySlopes", curve.MemorySlopes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads what <see cref="WriteJson"/> wrote.</summary>
    /// <param name="scaling">The property's value.</param>
    public static ScalingResult ReadJson(JsonElement scaling) => new(
        scaling.GetProperty("firstResultMs").GetDouble(),
        [.. scaling.GetProperty("curves").EnumerateArray().Select(curve => new ScalingCurve(
            ScalingSeries.All.Single(s => s.Name == curve.GetProperty("name").GetString()),
            [.. curve.GetProperty("points").EnumerateArray().Select(point => new ScalingPoint(
                point.GetProperty("size").GetInt32(), point.GetProperty("ms").GetDouble(),
                point.GetProperty("operandMiB").GetDouble(),
                point.GetProperty("peakMiB") is { ValueKind: JsonValueKind.Number } peak
                    ? peak.GetDouble() : null))]))]);

    private static Table Table(ScalingCurve curve)
    {
        Table table = Terminal.Table(
            [curve.Series.Axis.ToString().ToLowerInvariant(), "ms", "slope", "operands MiB",
                "peak MiB", "slope"], words: 0);
        double[] time = [double.NaN, .. curve.TimeSlopes];
        double[] memory = [double.NaN, .. curve.MemorySlopes];
        foreach ((int i, ScalingPoint point) in curve.Points.Index())
        {
            table.AddRow(point.Size.ToString(CultureInfo.InvariantCulture),
                Text(point.Milliseconds, "0.000"), Text(time[i], "0.00"),
                Text(point.OperandMiB, "0.00"), Text(point.PeakMiB ?? double.NaN, "0.00"),
                Text(memory[i], "0.00"));
        }

        return table;
    }

    private static void WriteSlopes(Utf8JsonWriter json, string name, IEnumerable<double> slopes)
    {
        json.WriteStartArray(name);
        foreach (double slope in slopes)
        {
            if (double.IsFinite(slope)) json.WriteNumberValue(Math.Round(slope, 3));
            else json.WriteNullValue();
        }

        json.WriteEndArray();
    }

    private static string Text(double value, string format) =>
        double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : "-";
}
