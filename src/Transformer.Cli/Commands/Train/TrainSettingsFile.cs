using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Cli.Commands.Train;

/// <summary>Settings in a JSON object, <c>{ "layers": 4, "norm": "pre" }</c>: what
/// <c>--config</c> reads, and what a training's folder keeps for resuming.</summary>
internal static class TrainSettingsFile
{
    /// <summary>Reads settings by name; names may be in camel case, too.</summary>
    /// <param name="path">The file.</param>
    /// <param name="names">All settings that there are.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no JSON object, or has an unknown field, one
    /// twice, or one that is no number, text, true or false.</exception>
    public static Dictionary<string, string> Read(string path, IEnumerable<string> names)
    {
        string json = string.Join('\n', TextFiles.ReadLines(path));
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions
            {
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
                CommentHandling = JsonCommentHandling.Skip,
            });
            return Read(document.RootElement, [.. names]);
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"Settings '{path}': {e.Message}", e);
        }
    }

    /// <summary>Writes settings beside the file and renames it.</summary>
    public static void Write(string path, IReadOnlyDictionary<string, string> settings) =>
        AtomicFile.Write(path, stream =>
        {
            using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            foreach ((string name, string value) in settings) json.WriteString(name, value);
            json.WriteEndObject();
        });

    private static Dictionary<string, string> Read(JsonElement root, string[] names)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException($"the JSON is a {root.ValueKind}; expected an object.");
        Dictionary<string, string> settings = [];
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string name = ToFlag(property.Name);
            if (!names.Contains(name))
            {
                throw new InvalidDataException($"there is no setting '{property.Name}'. Use: " +
                    $"{string.Join(", ", names)}.");
            }

            settings[name] = property.Value.ValueKind switch
            {
                JsonValueKind.String => property.Value.GetString()!,
                JsonValueKind.Number => property.Value.GetRawText(),
                JsonValueKind.True => "true",
                JsonValueKind.False => "false",
                JsonValueKind kind => throw new InvalidDataException($"'{property.Name}' is a " +
                    $"{kind}; expected a number, a text, true or false."),
            };
        }

        return settings;
    }

    private static string ToFlag(string name) => string.Concat(name.Select(letter =>
        char.IsAsciiLetterUpper(letter) ? $"-{char.ToLowerInvariant(letter)}" : $"{letter}"));
}
