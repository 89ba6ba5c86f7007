using System.Text;
using System.Text.Json;
using Transformer.Models.Interchange;

namespace Transformer.Models.Text;

/// <summary>GPT-2's vocab.json and merges.txt.</summary>
internal static class Gpt2Files
{
    public const string VocabularyName = "vocab.json";
    public const string MergesName = "merges.txt";

    private const string Version = "#version: 0.2";

    /// <summary>Reads vocab.json of a byte-level model.</summary>
    public static Vocabulary ReadVocabulary(string path)
    {
        Vocabulary vocabulary = ReadTokens(path);
        BytePairFile.CheckPieces(fault => Error(path, fault), vocabulary);
        return vocabulary;
    }

    /// <summary>Reads vocab.json of any model.</summary>
    public static Vocabulary ReadTokens(string path)
    {
        using JsonDocument document = TokenizerFile.Parse(path);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
            throw Error("is not a JSON object of ids by token.");
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in root.EnumerateObject())
        {
            string token = Name(entry);
            bool isId = entry.Value.ValueKind == JsonValueKind.Number &&
                entry.Value.TryGetInt32(out int id) && id >= 0;
            if (!isId) throw Error($"gives token '{token}' an id that is no number from 0 up.");
            if (!ids.TryAdd(token, entry.Value.GetInt32()))
                throw Error($"has token '{token}' twice.");
        }
        string[] tokens = TokenizerFile.InOrder(ids, Error);
        SpecialTokens special = SpecialRoles.Find(
            name => ids.TryGetValue(name, out int id) ? id : null) ??
            throw Error(SpecialRoles.Missing);
        return new(
            tokens, ids.Where(entry => SpecialRoles.IsKnown(entry.Key)).Select(e => e.Value),
            special);

        InvalidDataException Error(string fault) => Gpt2Files.Error(path, fault);

        string Name(JsonProperty entry)
        {
            try
            {
                return entry.Name;
            }
            catch (InvalidOperationException)
            {
                throw Error("holds a string that is no valid Unicode.");
            }
        }
    }

    private static InvalidDataException Error(string path, string fault) =>
        new($"Vocabulary file '{path}' {fault}");

    /// <summary>Reads merges.txt.</summary>
    public static BytePairMerge[] ReadMerges(string path, Vocabulary vocabulary)
    {
        string[] lines = TextFiles.ReadLines(path);
        MergeList merges = new(vocabulary, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            bool isHeader = i == 0 && lines[i].StartsWith("#version", StringComparison.Ordinal);
            if (isHeader || lines[i].Length == 0) continue;
            if (merges.Add(lines[i].Split(' ')) is { } fault)
            {
                throw new InvalidDataException(
                    $"Merges file '{path}', line {i + 1}: has a merge {fault}");
            }
        }
        return merges.ToArray();
    }

    /// <summary>Writes vocab.json.</summary>
    public static void WriteVocabulary(string path, Vocabulary vocabulary) =>
        AtomicFile.Write(path, file =>
        {
            using Utf8JsonWriter json = new(file, TokenizerFile.WriterOptions);
            json.WriteStartObject();
            for (int id = 0; id < vocabulary.Count; id++) json.WriteNumber(vocabulary[id], id);
            json.WriteEndObject();
        });

    /// <summary>Writes merges.txt.</summary>
    public static void WriteMerges(
        string path, Vocabulary vocabulary, IReadOnlyList<BytePairMerge> merges) =>
        AtomicFile.Write(path, file =>
        {
            using StreamWriter writer = new(file, new UTF8Encoding(false), leaveOpen: true);
            writer.NewLine = "\n";
            writer.WriteLine(Version);
            foreach (BytePairMerge merge in merges)
                writer.WriteLine($"{vocabulary[merge.Left]} {vocabulary[merge.Right]}");
        });
}
