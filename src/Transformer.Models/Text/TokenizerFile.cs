using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>A tokenizer.json file: what all kinds of tokenizers read from it and write to it.
/// </summary>
internal sealed class TokenizerFile : IDisposable
{
    private readonly JsonDocument _document;
    private readonly string _path;

    private TokenizerFile(string path, JsonDocument document)
    {
        _path = path;
        _document = document;
    }

    /// <summary>Indented, and letters of all scripts as themselves: files are read by people.
    /// </summary>
    public static JsonWriterOptions WriterOptions { get; } =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public JsonElement Root => _document.RootElement;

    public JsonElement Model => Root.GetProperty("model");

    public string ModelType => TypeOf(Root, "model")!;

    /// <summary>Opens a file and checks that it is JSON with a typed model.</summary>
    public static TokenizerFile Open(string path)
    {
        TokenizerFile file = new(path, Parse(path));
        file.Require(file.Root.ValueKind == JsonValueKind.Object, "is not a JSON object.");
        file.Require(
            file.Read(() => file.TypeOf(file.Root, "model")) is not null,
            "has no 'model' with a 'type'; expected a tokenizer.json file.");
        return file;
    }

    /// <summary>The JSON of a file, whatever it holds.</summary>
    /// <exception cref="InvalidDataException">It is none; the message names the place.</exception>
    public static JsonDocument Parse(string path)
    {
        byte[] bytes = TextFiles.ReadBytes(path, "tokenizer file");
        if (bytes.Length == 0) throw Error(path, "is empty; expected a tokenizer.json file.");
        ReadOnlyMemory<byte> json = bytes;
        if (bytes.AsSpan().StartsWith("\uFEFF"u8)) json = json[3..];
        try
        {
            return JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            string place = string.Create(
                CultureInfo.InvariantCulture,
                $"line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}");
            throw Error(path, $"is not JSON or is cut off: {place}.");
        }
    }

    public void Dispose() => _document.Dispose();

    /// <summary>Runs a reader; strings that are no valid Unicode become a clear error.</summary>
    public T Read<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            throw Error("holds a string that is no valid Unicode.");
        }
    }

    public InvalidDataException Error(string fault) => Error(_path, fault);

    public void Require(bool condition, string fault)
    {
        if (!condition) throw Error(fault);
    }

    /// <summary>The 'type' of a section; null where the section is absent or null.</summary>
    public string? TypeOf(JsonElement parent, string section)
    {
        if (!parent.TryGetProperty(section, out JsonElement element) ||
            element.ValueKind == JsonValueKind.Null)
        {
            return null;
        }
        bool typed = element.ValueKind == JsonValueKind.Object &&
            element.TryGetProperty("type", out JsonElement type) &&
            type.ValueKind == JsonValueKind.String;
        Require(typed, $"has a '{section}' without a 'type'.");
        return element.GetProperty("type").GetString();
    }

    /// <summary>Vocabulary of model.vocab and added_tokens together, checked to be whole, with
    /// the four special tokens by their names here.</summary>
    public Vocabulary ReadVocabulary() => ReadVocabulary(ReadIds(), (find, file) =>
    {
        foreach (string name in SpecialTokens.Names)
        {
            file.Require(
                find(name) is not null, $"lacks the special token '{name}' in 'added_tokens'.");
        }
        return SpecialRoles.Find(find);
    });

    /// <summary>The same, with special tokens by any of the names in use.</summary>
    /// <param name="unknown">Name of the unknown token where the file states it.</param>
    public Vocabulary ReadVocabulary(string? unknown) => ReadVocabulary(ReadIds(), unknown);

    /// <summary>Vocabulary of ids read from the model and of added_tokens.</summary>
    public Vocabulary ReadVocabulary(Dictionary<string, int> ids, string? unknown) =>
        ReadVocabulary(ids, (find, _) => SpecialRoles.Find(find, unknown));

    public static void WriteHeader(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < vocabulary.Count; id++)
        {
            if (!vocabulary.IsSpecial(id)) continue;
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", vocabulary[id]);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>Writes a section that is its type alone, or null.</summary>
    public static void WriteTyped(Utf8JsonWriter json, string section, string? type)
    {
        if (type is null)
        {
            json.WriteNull(section);
            return;
        }
        json.WriteStartObject(section);
        json.WriteString("type", type);
        json.WriteEndObject();
    }

    public static void WriteVocabulary(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        json.WriteStartObject("vocab");
        for (int id = 0; id < vocabulary.Count; id++) json.WriteNumber(vocabulary[id], id);
        json.WriteEndObject();
    }

    private static InvalidDataException Error(string path, string fault) =>
        new($"Tokenizer file '{path}' {fault}");

    /// <summary>Adds the added_tokens to the ids; returns the ids of the special ones.</summary>
    private List<int> ReadAddedTokens(Dictionary<string, int> ids)
    {
        List<int> special = [];
        if (Root.TryGetProperty("added_tokens", out JsonElement added) &&
            added.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement token in added.EnumerateArray())
            {
                bool complete = token.ValueKind == JsonValueKind.Object &&
                    token.TryGetProperty("content", out JsonElement content) &&
                    content.ValueKind == JsonValueKind.String &&
                    token.TryGetProperty("id", out _);
                Require(complete, "has an entry in 'added_tokens' without 'content' or 'id'.");
                string name = token.GetProperty("content").GetString()!;
                bool isSpecial = token.TryGetProperty("special", out JsonElement flag) &&
                    flag.ValueKind == JsonValueKind.True;
                Require(isSpecial, $"has added token '{name}' that is not special.");
                int id = Id(token.GetProperty("id"), name);
                bool agrees = ids.TryAdd(name, id) || ids[name] == id;
                Require(agrees, $"gives token '{name}' the ids {ids[name]} and {id}.");
                special.Add(id);
            }
        }
        return special;
    }

    private Vocabulary ReadVocabulary(
        Dictionary<string, int> ids,
        Func<Func<string, int?>, TokenizerFile, SpecialTokens?> roles)
    {
        List<int> special = ReadAddedTokens(ids);
        string[] tokens = InOrder(ids);
        SpecialTokens? found = roles(
            name => ids.TryGetValue(name, out int id) && special.Contains(id) ? id : null, this);
        Require(found is not null, SpecialRoles.Missing);
        return new(tokens, special, found!);
    }

    /// <summary>Ids of model.vocab, an object.</summary>
    private Dictionary<string, int> ReadIds()
    {
        bool hasVocabulary = Model.TryGetProperty("vocab", out JsonElement vocabulary) &&
            vocabulary.ValueKind == JsonValueKind.Object;
        Require(hasVocabulary, "has no 'model.vocab' object.");

        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in vocabulary.EnumerateObject())
        {
            bool isNew = ids.TryAdd(entry.Name, Id(entry.Value, entry.Name));
            Require(isNew, $"has token '{entry.Name}' twice in 'model.vocab'.");
        }
        return ids;
    }

    private string[] InOrder(Dictionary<string, int> ids) => InOrder(ids, Error);

    /// <summary>Tokens by id; refuses gaps and ids given twice.</summary>
    public static string[] InOrder(
        Dictionary<string, int> ids, Func<string, InvalidDataException> error)
    {
        string?[] tokens = new string?[ids.Count];
        int outside = 0;
        foreach ((string token, int id) in ids)
        {
            if (id >= tokens.Length)
            {
                outside++;
                continue;
            }
            if (tokens[id] is { } other)
                throw error($"gives id {id} to '{other}' and to '{token}'.");
            tokens[id] = token;
        }
        int gap = Array.IndexOf(tokens, null);
        if (outside > 0 || gap >= 0)
        {
            throw error(
                $"has no token with id {gap}; expected ids 0 to {tokens.Length - 1} for its " +
                $"{tokens.Length} tokens.");
        }
        return tokens!;
    }

    private int Id(JsonElement value, string token)
    {
        bool valid = value.ValueKind == JsonValueKind.Number &&
            value.TryGetInt32(out int id) && id >= 0;
        Require(valid, $"gives token '{token}' an id that is no number from 0 up.");
        return value.GetInt32();
    }
}
