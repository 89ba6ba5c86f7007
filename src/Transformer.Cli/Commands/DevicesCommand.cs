using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using Spectre.Console;
using Transformer.Backends;
using Transformer.Cli.Output;

namespace Transformer.Cli.Commands;

/// <summary><c>devices</c>: every backend, its device and what it supports.</summary>
internal static class DevicesCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string?> json = CommonOptions.Json();
        Command command = new("devices", "List every backend, its device, and what it supports.")
        {
            json,
        };
        command.SetAction(parsed => Run(
            new JsonOutput(parsed.GetValue(json)), parsed.InvocationConfiguration.Output));
        return command;
    }

    /// <summary>Prints the tables; also the head of <c>demo</c>.</summary>
    public static void Print(IAnsiConsole console)
    {
        Table devices = Terminal.Table(["backend", "device", "available"], 3, "available");
        foreach (Backend backend in BackendRegistry.All)
        {
            string mark = backend == BackendRegistry.Default ? "yes (default)" : "yes";
            devices.AddRow(
                Markup.Escape(backend.Name), Markup.Escape(backend.Device),
                Markup.Escape(backend.UnavailableReason ?? mark));
        }

        console.Write(devices);
        console.WriteLine($"{RuntimeInformation.OSDescription}, " +
            $"{RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} processors, " +
            $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20} MiB memory, " +
            $"{RuntimeInformation.FrameworkDescription}");
    }

    private static int Run(JsonOutput json, TextWriter output)
    {
        IAnsiConsole console = Terminal.For(json, output);
        Print(console);
        PrintKernels(console);
        GpuDefaults.Print(console);
        json.Write(output, WriteJson);
        return Application.Done;
    }

    private static void PrintKernels(IAnsiConsole console)
    {
        string[] headers = ["op", .. BackendRegistry.All.Select(b => b.Name)];
        Table kernels = Terminal.Table(headers, headers.Length);
        IEnumerable<string> ops = BackendRegistry.All
            .SelectMany(b => b.Kernels).Select(k => k.Op).Distinct().Order(StringComparer.Ordinal);
        foreach (string op in ops)
        {
            kernels.AddRow([op, .. BackendRegistry.All.Select(b => Directions(b, op))]);
        }

        console.Write(kernels);
    }

    private static string Directions(Backend backend, string op)
    {
        IEnumerable<string> directions = backend.Kernels.Where(k => k.Op == op)
            .Select(k => k.Direction.ToString().ToLowerInvariant()).Distinct().OrderDescending();
        string text = string.Join(", ", directions);
        return text.Length == 0 ? "-" : text;
    }

    private static void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("backends");
        foreach (Backend backend in BackendRegistry.All)
        {
            writer.WriteStartObject();
            writer.WriteString("name", backend.Name);
            writer.WriteString("device", backend.Device);
            writer.WriteBoolean("available", backend.IsAvailable);
            writer.WriteString("reason", backend.UnavailableReason);
            writer.WriteBoolean("default", backend == BackendRegistry.Default);
            writer.WriteStartArray("kernels");
            foreach (KernelInfo kernel in backend.Kernels)
            {
                writer.WriteStartObject();
                writer.WriteString("op", kernel.Op);
                writer.WriteString("direction", kernel.Direction.ToString().ToLowerInvariant());
                writer.WriteString("kernel", kernel.Kernel);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        GpuDefaults.WriteJson(writer);
        writer.WriteEndObject();
    }
}
