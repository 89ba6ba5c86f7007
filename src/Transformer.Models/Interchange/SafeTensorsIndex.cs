using System.Text.Json;

namespace Transformer.Models.Interchange;

/// <summary>
/// The index of a model in several safetensors files: {"metadata": {"total_size": bytes},
/// "weight_map": {tensor: file}}, the files lying beside it (huggingface.co/docs/safetensors).
/// </summary>
internal static class SafeTensorsIndex
{
    /// <summary>What follows the name of the one file that the several stand for.</summary>
    public const string Suffix = ".index.json";

    private const string Map = "weight_map";

    /// <summary>Reads which file of the index's folder each tensor is in.</summary>
    /// <exception cref="InvalidDataException">It is no such index, or names files that do not lie
    /// beside it.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        byte[] bytes = ReadBytes(path);
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes, new JsonDocumentOptions
            {
                MaxDepth = 16,
                AllowDuplicateProperties = false,
            });
            return Read(path, document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad(path, $"it is not valid JSON: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>Writes the index beside its place and renames it.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(
        string path, long totalSize, IEnumerable<(string Tensor, string File)> places) =>
        AtomicFile.Write(path, stream =>
        {
            using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", totalSize);
            json.WriteEndObject();
            json.WriteStartObject(Map);
            foreach ((string tensor, string file) in places) json.WriteString(tensor, file);
            json.WriteEndObject();
            json.WriteEndObject();
        });

    public static InvalidDataException Bad(string path, string what, Exception? inner = null) =>
        new($"'{path}' is no valid index of safetensors files: {what}.", inner);

    private static byte[] ReadBytes(string path)
    {
        using FileStream stream = TensorBytes.OpenRead(path, "safetensors index");
        if (stream.Length > SafeTensorsHeader.MaxLength)
        {
            throw Bad(path, $"{stream.Length} bytes; the limit is {SafeTensorsHeader.MaxLength}");
        }

        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static Dictionary<string, string> Read(string path, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object
            || !root.TryGetProperty(Map, out JsonElement map)
            || map.ValueKind != JsonValueKind.Object)
            throw Bad(path, $"it has no '{Map}' object");
        Dictionary<string, string> files = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
                throw Bad(path, $"tensor '{entry.Name}' has no file name");
            string file = entry.Value.GetString()!;
            if (!IsPlainName(file))
                throw Bad(path, $"tensor '{entry.Name}' is in '{file}'; expected the name of a " +
                    "file beside the index");
            files.Add(entry.Name, file);
        }

        return files.Count > 0 ? files : throw Bad(path, $"'{Map}' is empty");
    }

    /// <summary>No index may lead out of its folder, on any system.</summary>
    private static bool IsPlainName(string file) =>
        file.EndsWith(".safetensors", StringComparison.Ordinal)
        && file.AsSpan().IndexOfAny("/\\:\0") < 0;
}
