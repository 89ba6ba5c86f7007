using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Models.Measurement;
using Transformer.Verification;

namespace Transformer.Cli.Commands;

/// <summary><c>bench --models</c>: measurements of whole models as a table and as JSON.</summary>
internal static class ModelBenchView
{
    // Kinds of kernels below this share of the time are left out of the table.
    private const double LeastShare = 0.02;

    /// <summary>Measures and shows.</summary>
    public static void Run(
        JsonOutput json, TextWriter output, string[]? backends, bool quick, double? seconds,
        string command, CancellationToken cancellation)
    {
        if (backends is { Length: > 1 })
        {
            throw new ArgumentException($"bench: --models takes one backend; {backends.Length} " +
                "are given. Measure one after the other.");
        }

        ModelBenchOptions options = new()
        {
            Backend = CommonOptions.Resolve(backends?.FirstOrDefault()),
            Quick = quick,
        };
        if (quick) options = options with { Budget = TimeSpan.Zero };
        if (seconds is { } budget)
            options = options with { Budget = TimeSpan.FromSeconds(budget) };
        IAnsiConsole console = Terminal.For(json, output);
        MachineLimits limits = BenchCommand.MeasureLimits(console);
        List<ModelBenchRow> rows = [.. ModelBench.Run(limits, options, cancellation)];
        console.Write(Table(rows));
        foreach (ModelBenchRow row in rows)
        {
            console.WriteLine($"{row.Model}, {row.Work}: {string.Join(", ", row.Kernels
                .Where(k => k.Share >= LeastShare)
                .Select(k => $"{k.Kind} {Number(k.Share, "0.0 %")}"))}");
        }

        json.Write(output, writer => Write(writer, limits, rows, command));
    }

    private static Table Table(List<ModelBenchRow> rows)
    {
        Table table = Terminal.Table(
            ["model", "work", "shape", "ms", "tokens/s", "of peak", "of read", "outside kernels"],
            words: 3);
        foreach (ModelBenchRow row in rows)
        {
            table.AddRow(
                Markup.Escape(row.Model), row.Work, row.Shape, Number(row.Milliseconds, "0.00"),
                Number(row.TokensPerSecond, "0"), Number(row.OfPeak, "0.0 %"),
                row.OfRead is { } read ? Number(read, "0.0 %") : "-",
                Number(row.Overhead, "0.00 %"));
        }

        return table;
    }

    private static void Write(
        Utf8JsonWriter json, MachineLimits limits, List<ModelBenchRow> rows, string command)
    {
        json.WriteStartObject();
        json.WriteString("command", command);
        json.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        BenchReport.WriteMachine(json, limits);
        json.WriteStartArray("rows");
        foreach (ModelBenchRow row in rows) Write(json, row);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, ModelBenchRow row)
    {
        json.WriteStartObject();
        json.WriteString("model", row.Model);
        json.WriteString("work", row.Work);
        json.WriteString("shape", row.Shape);
        json.WriteNumber("ms", row.Milliseconds);
        json.WriteNumber("tokensPerSecond", row.TokensPerSecond);
        json.WriteNumber("gflops", row.Gflops);
        json.WriteNumber("ofPeak", row.OfPeak);
        if (row.WeightGBs is { } weights) json.WriteNumber("weightGBs", weights);
        if (row.OfRead is { } read) json.WriteNumber("ofRead", read);
        json.WriteNumber("overhead", row.Overhead);
        json.WriteStartArray("kernels");
        foreach (KernelShare kernel in row.Kernels)
        {
            json.WriteStartObject();
            json.WriteString("kind", kernel.Kind);
            json.WriteNumber("share", kernel.Share);
            json.WriteNumber("ms", kernel.Milliseconds);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Number(double value, string format) =>
        value.ToString(format, CultureInfo.InvariantCulture);
}
