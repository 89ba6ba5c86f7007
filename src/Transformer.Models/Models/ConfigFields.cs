using System.Globalization;
using System.Text.Json;

namespace Transformer.Models;

/// <summary>Reads fields by name and remembers which, so that none is overlooked.</summary>
internal sealed class ConfigFields
{
    private readonly string owner;
    private readonly JsonElement root;
    private readonly HashSet<string> read = [];

    public ConfigFields(string owner, JsonElement root)
    {
        this.owner = owner;
        this.root = root;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException(
                $"{owner}: the JSON is a {root.ValueKind}; expected an object.");
        }
    }

    /// <summary>Parses a configuration file.</summary>
    /// <exception cref="InvalidDataException">It is no JSON.</exception>
    public static JsonDocument Parse(string owner, byte[] json)
    {
        try
        {
            ReadOnlyMemory<byte> text = json;
            if (json.AsSpan().StartsWith("\uFEFF"u8)) text = text[3..];
            return JsonDocument.Parse(
                text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            // A field that is there twice is reported without a place.
            string what = e.LineNumber is null ? e.Message : string.Create(
                CultureInfo.InvariantCulture, $"no valid JSON, or cut off: line " +
                $"{e.LineNumber + 1}, byte {e.BytePositionInLine + 1}.");
            throw new InvalidDataException($"{owner}: {what} Correct the file.", e);
        }
    }

    public int Integer(string name, int? fallback) => Get(name, fallback, "a whole number",
        json => json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out int value)
            ? value : null);

    /// <summary>A whole number; null where the field is absent or null.</summary>
    public int? Optional(string name) =>
        Find(name, optional: true) is null ? null : Integer(name, null);

    public double Number(string name, double? fallback) => Get(name, fallback, "a number",
        json => json.ValueKind == JsonValueKind.Number && json.TryGetDouble(out double value)
            ? value : null);

    public bool Boolean(string name, bool? fallback) => Get(name, fallback, "true or false",
        json => json.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? json.ValueKind == JsonValueKind.True : null);

    public T Choice<T>(string name, T fallback) where T : struct, Enum => Get<T>(
        name, fallback, $"one of {string.Join(", ", Enum.GetNames<T>())}",
        json => Text(json) is { } text && Enum.GetNames<T>().Contains(text)
            ? Enum.Parse<T>(text) : null);

    public string Text(string name, string? fallback)
    {
        JsonElement? json = Find(name, fallback is not null);
        return json is null
            ? fallback!
            : Text(json.Value) ?? throw Wrong(name, json.Value, "text");
    }

    /// <summary>A field of which the model here has one value alone; absent counts as that one.
    /// </summary>
    public void Require(string name, bool only)
    {
        if (Boolean(name, only) == only) return;
        throw new InvalidDataException($"{owner}: '{name}' is {(only ? "false" : "true")}; only " +
            $"{(only ? "true" : "false")} is supported. Choose another model.");
    }

    /// <summary>As <see cref="Require(string, bool)"/>, for words of one meaning.</summary>
    public void Require(string name, params ReadOnlySpan<string> allowed)
    {
        string text = Text(name, allowed[0]);
        if (allowed.Contains(text)) return;
        throw new InvalidDataException($"{owner}: '{name}' is \"{text}\"; expected " +
            $"{string.Join(" or ", allowed.ToArray().Select(a => $"\"{a}\""))}. Choose a model " +
            "that has it.");
    }

    public void RequireAllRead()
    {
        foreach (JsonProperty field in root.EnumerateObject())
        {
            if (read.Contains(field.Name)) continue;
            throw new InvalidDataException(
                $"{owner}: there is no field '{field.Name}'. Use: " +
                $"{string.Join(", ", read)}.");
        }
    }

    private static string? Text(JsonElement json) =>
        json.ValueKind == JsonValueKind.String ? json.GetString() : null;

    private T Get<T>(string name, T? fallback, string expected, Func<JsonElement, T?> parse)
        where T : struct
    {
        JsonElement? json = Find(name, fallback is not null);
        return json is null
            ? fallback!.Value
            : parse(json.Value) ?? throw Wrong(name, json.Value, expected);
    }

    private JsonElement? Find(string name, bool optional)
    {
        read.Add(name);
        bool given = root.TryGetProperty(name, out JsonElement json) &&
            !(optional && json.ValueKind == JsonValueKind.Null);
        if (given) return json;
        return optional ? null : throw new InvalidDataException(
            $"{owner}: the field '{name}' is missing. Add it.");
    }

    private InvalidDataException Wrong(string name, JsonElement json, string expected) =>
        new($"{owner}: '{name}' is {json.GetRawText()}; expected {expected}.");
}
