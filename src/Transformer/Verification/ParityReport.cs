using System.Text.Json;

namespace Transformer.Verification;

/// <summary>Writes parity results as JSON.</summary>
public static class ParityReport
{
    /// <summary>Writes <c>{rows: [{op, backend, case, dtype, direction, maxAbs, relL2, tolerance,
    /// passed, detail, unsupported}], totals: {cases, passed, failed, unsupported}}</c>.</summary>
    /// <remarks>Errors that could not be measured are null. <c>unsupported</c> is the reason why
    /// the backend cannot run the case; such rows count neither as passed nor as failed.</remarks>
    /// <param name="writer">Receives one object.</param>
    /// <param name="results">The rows.</param>
    public static void WriteJson(Utf8JsonWriter writer, IReadOnlyCollection<ParityResult> results)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(results);
        writer.WriteStartObject();
        writer.WriteStartArray("rows");
        foreach (ParityResult result in results) WriteRow(writer, result);
        writer.WriteEndArray();
        writer.WriteStartObject("totals");
        writer.WriteNumber("cases", results.Count);
        writer.WriteNumber("passed", results.Count(r => r.Passed));
        writer.WriteNumber("failed", results.Count(r => r.Failed));
        writer.WriteNumber("unsupported", results.Count(r => r.Skipped is not null));
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    /// <summary>Writes the same as indented text.</summary>
    /// <param name="stream">Receives UTF-8; stays open.</param>
    /// <param name="results">The rows.</param>
    public static void WriteJson(Stream stream, IReadOnlyCollection<ParityResult> results)
    {
        using Utf8JsonWriter writer = new(stream, new() { Indented = true });
        WriteJson(writer, results);
    }

    /// <summary>Writes a number, or null where it is NaN or infinite.</summary>
    internal static void WriteFinite(Utf8JsonWriter writer, string name, double value)
    {
        if (double.IsFinite(value)) writer.WriteNumber(name, value);
        else writer.WriteNull(name);
    }

    private static void WriteRow(Utf8JsonWriter writer, ParityResult result)
    {
        bool ran = result.Skipped is null;
        writer.WriteStartObject();
        writer.WriteString("op", result.Op);
        writer.WriteString("backend", result.Backend);
        writer.WriteString("case", result.Case);
        writer.WriteString("dtype", result.DType.ToString());
        writer.WriteString("direction", result.Direction.ToString().ToLowerInvariant());
        WriteFinite(writer, "maxAbs", ran ? result.MaxAbs : double.NaN);
        WriteFinite(writer, "relL2", ran ? result.RelL2 : double.NaN);
        writer.WriteNumber("tolerance", result.Tolerance);
        writer.WriteBoolean("passed", result.Passed);
        writer.WriteString("detail", result.Detail);
        writer.WriteString("unsupported", result.Skipped);
        if (result.Features.Count > 0)
        {
            writer.WriteStartArray("features");
            foreach (string feature in result.Features) writer.WriteStringValue(feature);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
