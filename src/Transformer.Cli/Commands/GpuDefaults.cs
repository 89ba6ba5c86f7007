using System.Text.Json;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands;

/// <summary>Which kernels an NVIDIA GPU runs where nobody names a backend: CUDA C or ILGPU's.
/// </summary>
/// <remarks>The backend of higher priority that has the op. Priorities follow measurements, op by
/// op, once there are some.</remarks>
internal static class GpuDefaults
{
    private const string NotMeasured = "not yet run on a GPU";

    /// <summary>Prints a row for each op that both have kernels for.</summary>
    public static void Print(IAnsiConsole console)
    {
        (string Op, Backend Default)[] choices = [.. Choices()];
        if (choices.Length == 0) return;
        Table table = Terminal.Table(["op", "on an NVIDIA GPU", "measured"], 3);
        foreach ((string op, Backend chosen) in choices)
            table.AddRow(Markup.Escape(op), Markup.Escape(chosen.Name), NotMeasured);
        console.Write(table);
    }

    /// <summary>The same rows.</summary>
    public static void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteStartArray("nvidiaDefaults");
        foreach ((string op, Backend chosen) in Choices())
        {
            writer.WriteStartObject();
            writer.WriteString("op", op);
            writer.WriteString("backend", chosen.Name);
            writer.WriteString("measured", NotMeasured);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static IEnumerable<(string Op, Backend Default)> Choices()
    {
        // Both run on the device; the emulated one stands for the first.
        Backend[] both = [.. BackendRegistry.All.Where(
            b => b.Name is "cuda" or "cuda-emulated" or "ilgpu-cuda")];
        return both.SelectMany(b => b.Kernels.Select(k => (k.Op, Backend: b)).Distinct())
            .GroupBy(k => k.Op, k => k.Backend).Where(g => g.Count() > 1)
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => (g.Key, g.MaxBy(b => b.Name == "ilgpu-cuda" ? 0 : 1)!));
    }
}
