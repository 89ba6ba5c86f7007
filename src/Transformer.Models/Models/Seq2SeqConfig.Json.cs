using System.Globalization;
using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Models;

public sealed partial record Seq2SeqConfig
{
    private const string ModelType = "seq2seq";

    /// <summary>Reads config.json.</summary>
    /// <param name="path">File as <see cref="Save"/> writes it.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object, a field is unknown,
    /// missing, of the wrong type or out of range; the message names file and field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Seq2SeqConfig Load(string path)
    {
        byte[] bytes = TextFiles.ReadBytes(path, "model configuration");
        try
        {
            return FromJson(bytes);
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            throw new InvalidDataException($"'{path}': {e.Message}", e);
        }
    }

    /// <summary>Reads a configuration from JSON text.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public static Seq2SeqConfig FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return FromJson(Encoding.UTF8.GetBytes(json));
    }

    /// <summary>Writes config.json: beside it first, flushed, then renamed.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) =>
        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(ToJson())));

    /// <summary>All fields as a JSON object.</summary>
    public string ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("modelType", ModelType);
            foreach ((string name, int value) in Integers()) json.WriteNumber(name, value);
            json.WriteNumber("dropout", Dropout);
            json.WriteString("norm", Norm.ToString());
            json.WriteString("positions", Positions.ToString());
            json.WriteString("activation", Activation.ToString());
            json.WriteBoolean("tieEmbeddings", TieEmbeddings);
            json.WriteBoolean("tieOutput", TieOutput);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private (string Name, int Value)[] Integers() =>
    [
        ("sourceVocabulary", SourceVocabulary), ("targetVocabulary", TargetVocabulary),
        ("encoderLayers", EncoderLayers), ("decoderLayers", DecoderLayers), ("width", Width),
        ("heads", Heads), ("feedForwardWidth", FeedForwardWidth), ("maxPositions", MaxPositions),
        ("padId", PadId), ("unknownId", UnknownId), ("bosId", BosId), ("eosId", EosId),
    ];

    private static Seq2SeqConfig FromJson(byte[] json)
    {
        using JsonDocument document = Parse(json);
        JsonFields fields = new(document.RootElement);
        if (fields.Text("modelType", null) is var type && type != ModelType)
        {
            throw new InvalidDataException($"Seq2SeqConfig: 'modelType' is \"{type}\"; expected " +
                $"\"{ModelType}\". Choose the folder of a translation model.");
        }

        Seq2SeqConfig defaults = new() { SourceVocabulary = 0, TargetVocabulary = 0 };
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = fields.Integer("sourceVocabulary", null),
            TargetVocabulary = fields.Integer("targetVocabulary", null),
            EncoderLayers = fields.Integer("encoderLayers", null),
            DecoderLayers = fields.Integer("decoderLayers", null),
            Width = fields.Integer("width", null),
            Heads = fields.Integer("heads", null),
            FeedForwardWidth = fields.Integer("feedForwardWidth", null),
            MaxPositions = fields.Integer("maxPositions", null),
            PadId = fields.Integer("padId", defaults.PadId),
            UnknownId = fields.Integer("unknownId", defaults.UnknownId),
            BosId = fields.Integer("bosId", defaults.BosId),
            EosId = fields.Integer("eosId", defaults.EosId),
            Dropout = fields.Number("dropout", defaults.Dropout),
            Norm = fields.Choice("norm", defaults.Norm),
            Positions = fields.Choice("positions", defaults.Positions),
            Activation = fields.Choice("activation", defaults.Activation),
            TieEmbeddings = fields.Boolean("tieEmbeddings", defaults.TieEmbeddings),
            TieOutput = fields.Boolean("tieOutput", defaults.TieOutput),
        };
        fields.RequireAllRead();
        config.Validate();
        return config;
    }

    private static JsonDocument Parse(byte[] json)
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
            throw new InvalidDataException($"Seq2SeqConfig: {what} Correct the file.", e);
        }
    }

    /// <summary>Reads fields by name and remembers which, so that none is overlooked.</summary>
    private sealed class JsonFields
    {
        private readonly JsonElement root;
        private readonly HashSet<string> read = [];

        public JsonFields(JsonElement root)
        {
            this.root = root;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new InvalidDataException(
                    $"Seq2SeqConfig: the JSON is a {root.ValueKind}; expected an object.");
            }
        }

        public int Integer(string name, int? fallback) => Get(name, fallback, "a whole number",
            json => json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out int value)
                ? value : null);

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

        public void RequireAllRead()
        {
            foreach (JsonProperty field in root.EnumerateObject())
            {
                if (read.Contains(field.Name)) continue;
                throw new InvalidDataException(
                    $"Seq2SeqConfig: there is no field '{field.Name}'. Use: " +
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
            if (root.TryGetProperty(name, out JsonElement json)) return json;
            return optional ? null : throw new InvalidDataException(
                $"Seq2SeqConfig: the field '{name}' is missing. Add it.");
        }

        private static InvalidDataException Wrong(string name, JsonElement json, string expected) =>
            new($"Seq2SeqConfig: '{name}' is {json.GetRawText()}; expected {expected}.");
    }
}
