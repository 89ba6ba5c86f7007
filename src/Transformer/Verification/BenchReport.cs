using System.Text.Json;

namespace Transformer.Verification;

/// <summary>Writes measurements as JSON.</summary>
public static class BenchReport
{
    /// <summary>Writes <c>{machine: {…}, rows: [{op, backend, shape, dtype, direction, ms, gflops,
    /// gbs, ofLimit, overUnfused, overReference, referenceEstimated, unsupported}]}</c>.</summary>
    /// <param name="writer">Receives one object.</param>
    /// <param name="limits">The machine.</param>
    /// <param name="rows">The rows; figures that do not exist are null.</param>
    public static void WriteJson(
        Utf8JsonWriter writer, MachineLimits limits, IEnumerable<BenchRow> rows)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(rows);
        writer.WriteStartObject();
        writer.WriteStartObject("machine");
        writer.WriteNumber("fmaPeakGflopsOneCore", limits.FmaPeakGflopsOneCore);
        writer.WriteNumber("fmaPeakGflops", limits.FmaPeakGflops);
        writer.WriteNumber("copyGBs", limits.CopyGBs);
        writer.WriteNumber("readGBs", limits.ReadGBs);
        writer.WriteNumber("threads", limits.Threads);
        writer.WriteNumber("vectorBits", limits.VectorBits);
        writer.WriteEndObject();
        writer.WriteStartArray("rows");
        foreach (BenchRow row in rows) WriteRow(writer, row);
        writer.WriteEndArray();
        writer.WriteEndObject();
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
        ParityReport.WriteFinite(writer, "overUnfused", row.OverUnfused ?? double.NaN);
        ParityReport.WriteFinite(writer, "overReference", row.OverReference ?? double.NaN);
        writer.WriteBoolean("referenceEstimated", row.ReferenceEstimated);
        writer.WriteString("unsupported", row.Unsupported);
        writer.WriteEndObject();
    }
}
