using System.Text.Encodings.Web;
using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Cli.Output;

/// <summary>Where a command's results for machines go.</summary>
internal sealed class JsonOutput
{
    /// <summary>Checks the target, so that no work is done for nothing.</summary>
    /// <param name="target">A file's path, "-" for standard output, or null for nowhere.</param>
    /// <exception cref="IOException">No file can be made there.</exception>
    public JsonOutput(string? target)
    {
        Target = target;
        if (!OwnsStandardOutput) OutputFile.Require("--json", target);
    }

    /// <summary>A file's path, "-" for standard output, or null for nowhere.</summary>
    public string? Target { get; }

    /// <summary>True when standard output belongs to the JSON alone.</summary>
    public bool OwnsStandardOutput => Target == "-";

    /// <summary>Writes texts with what became of them: an array of objects {"text",
    /// <paramref name="field"/>}.</summary>
    public void WriteTexts(
        TextWriter output, string field, IEnumerable<(string Text, string Result)> texts) =>
        Write(output, writer =>
        {
            writer.WriteStartArray();
            foreach ((string text, string result) in texts)
            {
                writer.WriteStartObject();
                writer.WriteString("text", text);
                writer.WriteString(field, result);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });

    /// <summary>Writes one document where it was asked for, a file beside and renamed.</summary>
    public void Write(TextWriter output, Action<Utf8JsonWriter> write)
    {
        if (Target is null) return;
        using MemoryStream buffer = new();
        JsonWriterOptions options = new()
        {
            Indented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };
        using (Utf8JsonWriter writer = new(buffer, options)) write(writer);
        if (OwnsStandardOutput)
        {
            output.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
            return;
        }

        AtomicFile.Write(Target, stream => buffer.WriteTo(stream), buffer.Length);
    }
}
