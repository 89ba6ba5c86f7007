using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Transformer.Verification;

/// <summary>Writes measurements as JSON.</summary>
public static class BenchReport
{
    /// <summary>Writes <c>{command, date, machine: {processor, system, framework, …}, rows: [{op,
    /// backend, shape, dtype, direction, ms, gflops, gbs, ofLimit, copies, allocatedBytes,
    /// overUnfused, overReference, referenceEstimated, unsupported}]}</c>.</summary>
    /// <param name="writer">Receives one object.</param>
    /// <param name="limits">The machine.</param>
    /// <param name="rows">The rows; figures that do not exist are null.</param>
    /// <param name="command">What was typed to make them; null where that is not known.</param>
    public static void WriteJson(
        Utf8JsonWriter writer, MachineLimits limits, IEnumerable<BenchRow> rows,
        string? command = null)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(rows);
        writer.WriteStartObject();
        WriteHead(writer, limits, command);
        WriteRows(writer, rows);
        writer.WriteEndObject();
    }

    /// <summary>Writes <c>command</c>, <c>date</c> and <c>machine</c> into an object.</summary>
    /// <param name="writer">Receives the properties.</param>
    /// <param name="limits">The machine.</param>
    /// <param name="command">What was typed; null where that is not known.</param>
    public static void WriteHead(Utf8JsonWriter writer, MachineLimits limits, string? command)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteString("command", command);
        writer.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        WriteMachine(writer, limits);
    }

    /// <summary>Writes <c>rows</c> into an object.</summary>
    /// <param name="writer">Receives one property.</param>
    /// <param name="rows">The rows; figures that do not exist are null.</param>
    public static void WriteRows(Utf8JsonWriter writer, IEnumerable<BenchRow> rows)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(rows);
        writer.WriteStartArray("rows");
        foreach (BenchRow row in rows) WriteRow(writer, row);
        writer.WriteEndArray();
    }

    /// <summary>Writes the same as indented text.</summary>
    /// <param name="stream">Receives UTF-8; stays open.</param>
    /// <param name="limits">The machine.</param>
    /// <param name="rows">The rows.</param>
    public static void WriteJson(Stream stream, MachineLimits limits, IEnumerable<BenchRow> rows)
    {
        using Utf8JsonWriter writer = new(stream, new() { Indented = true });
        WriteJson(writer, limits, rows);
    }

    /// <summary>Writes <c>machine: {processor, system, framework, …}</c> into an object.</summary>
    /// <param name="writer">Receives one property.</param>
    /// <param name="limits">The machine.</param>
    public static void WriteMachine(Utf8JsonWriter writer, MachineLimits limits)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(limits);
        writer.WriteStartObject("machine");
        writer.WriteString("processor", Processor());
        writer.WriteString("system", RuntimeInformation.OSDescription);
        writer.WriteString("framework", RuntimeInformation.FrameworkDescription);
        writer.WriteNumber("fmaPeakGflopsOneCore", limits.FmaPeakGflopsOneCore);
        writer.WriteNumber("fmaPeakGflops", limits.FmaPeakGflops);
        writer.WriteNumber("copyGBs", limits.CopyGBs);
        writer.WriteNumber("readGBs", limits.ReadGBs);
        writer.WriteNumber("threads", limits.Threads);
        writer.WriteNumber("vectorBits", limits.VectorBits);
        writer.WriteEndObject();
    }

    /// <summary>The processor by name and number of logical ones.</summary>
    public static string Processor()
    {
        const string linux = "/proc/cpuinfo";
        string name = Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "";
        if (File.Exists(linux))
        {
            // Virtual machines often shorten the name; family and model still tell the design.
            string[] wanted = ["model name", "cpu family", "model"];
            var fields = File.ReadLines(linux).TakeWhile(line => line.Length > 0)
                .Select(line => line.Split(':', 2)).Where(parts => parts.Length == 2)
                .Select(parts => (Name: parts[0].Trim(), Value: parts[1].Trim()))
                .Where(field => wanted.Contains(field.Name)).OrderBy(field => field.Name.Length);
            name = string.Join(", ", fields.Select(field => $"{field.Name} {field.Value}"));
        }

        return $"{name} ({RuntimeInformation.ProcessArchitecture}, " +
            $"{Environment.ProcessorCount} processors)";
    }

    private static void WriteRow(Utf8JsonWriter writer, BenchRow row)
    {
        writer.WriteStartObject();
        writer.WriteString("op", row.Op);
        writer.WriteString("backend", row.Backend);
        writer.WriteString("shape", row.Shape);
        writer.WriteString("dtype", row.DType.ToString());
        writer.WriteString("direction", row.Direction.ToString());
        ParityReport.WriteFinite(writer, "ms", row.Milliseconds);
        ParityReport.WriteFinite(writer, "gflops", row.Gflops);
        ParityReport.WriteFinite(writer, "gbs", row.GBs);
        ParityReport.WriteFinite(writer, "ofLimit", row.OfLimit ?? double.NaN);
        writer.WriteNumber("copies", row.Copies);
        ParityReport.WriteFinite(writer, "allocatedBytes", row.AllocatedBytes ?? double.NaN);
        ParityReport.WriteFinite(writer, "overUnfused", row.OverUnfused ?? double.NaN);
        ParityReport.WriteFinite(writer, "overReference", row.OverReference ?? double.NaN);
        writer.WriteBoolean("referenceEstimated", row.ReferenceEstimated);
        writer.WriteString("unsupported", row.Unsupported);
        writer.WriteEndObject();
    }
}
