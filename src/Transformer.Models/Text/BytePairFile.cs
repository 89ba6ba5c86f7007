using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>The sections of a tokenizer.json file that byte-pair encoding has of its own.</summary>
internal static class BytePairFile
{
    private const string ByteLevel = "ByteLevel";

    public static void WriteSections(
        Utf8JsonWriter json, Vocabulary vocabulary, ReadOnlySpan<BytePairMerge> merges)
    {
        json.WriteNull("normalizer");
        WriteByteLevel(json, "pre_tokenizer");
        json.WriteNull("post_processor");
        WriteByteLevel(json, "decoder");
        json.WriteStartObject("model");
        json.WriteString("type", BytePairTokenizer.ModelType);
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        TokenizerFile.WriteVocabulary(json, vocabulary);
        json.WriteStartArray("merges");
        foreach (BytePairMerge merge in merges)
            json.WriteStringValue($"{vocabulary[merge.Left]} {vocabulary[merge.Right]}");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Refuses settings under which the same text would give other tokens.</summary>
    public static void CheckSections(TokenizerFile file)
    {
        JsonElement root = file.Root;
        file.Require(
            file.TypeOf(root, "normalizer") is null,
            "has a 'normalizer'; byte-pair files here have none.");
        bool isByteLevel = file.TypeOf(root, "pre_tokenizer") == ByteLevel;
        JsonElement split = isByteLevel ? root.GetProperty("pre_tokenizer") : default;
        file.Require(
            isByteLevel &&
                IsFlag(split, "add_prefix_space", JsonValueKind.False) &&
                !IsFlag(split, "use_regex", JsonValueKind.False),
            "has another 'pre_tokenizer' than ByteLevel with add_prefix_space false and " +
            "use_regex true, the only one supported.");
        file.Require(
            file.TypeOf(root, "decoder") == ByteLevel,
            "has another 'decoder' than ByteLevel, the only one supported.");
        foreach (string option in (string[])["dropout", "continuing_subword_prefix",
            "end_of_word_suffix", "byte_fallback", "ignore_merges"])
        {
            bool off = !file.Model.TryGetProperty(option, out JsonElement value) ||
                value.ValueKind is JsonValueKind.Null or JsonValueKind.False ||
                (value.ValueKind == JsonValueKind.String && value.ValueEquals(""));
            file.Require(off, $"sets 'model.{option}', which is not supported.");
        }
    }

    /// <summary>Refuses tokens that spell no bytes, and alphabets that are not whole.</summary>
    /// <param name="error">Makes the error of a fault.</param>
    /// <param name="vocabulary">What was read.</param>
    public static void CheckPieces(
        Func<string, InvalidDataException> error, Vocabulary vocabulary)
    {
        for (int id = 0; id < vocabulary.Count; id++)
        {
            if (vocabulary.IsSpecial(id) || ByteAlphabet.TryToBytes(vocabulary[id], out _))
                continue;
            throw error(
                $"has token '{vocabulary[id]}', which is not in the byte-level alphabet.");
        }
        for (int b = 0; b < 256; b++)
        {
            string piece = ByteAlphabet.ToChar((byte)b).ToString();
            if (!vocabulary.TryGetPiece(piece, out _))
                throw error($"lacks a token for byte {b} ('{piece}'); expected all 256.");
        }
    }

    /// <summary>Merges as "left right" strings, or as pairs, which newer files have.</summary>
    public static BytePairMerge[] ReadMerges(TokenizerFile file, Vocabulary vocabulary)
    {
        bool hasMerges = file.Model.TryGetProperty("merges", out JsonElement array) &&
            array.ValueKind == JsonValueKind.Array;
        file.Require(hasMerges, "has no 'model.merges' array.");

        MergeList merges = new(vocabulary, array.GetArrayLength());
        foreach (JsonElement entry in array.EnumerateArray())
        {
            int number = merges.Count + 1;
            if (merges.Add(Parts(entry)) is { } fault)
                throw file.Error($"has merge {number} {fault}");
        }
        return merges.ToArray();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string section)
    {
        json.WriteStartObject(section);
        json.WriteString("type", ByteLevel);
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private static bool IsFlag(JsonElement section, string name, JsonValueKind expected) =>
        section.TryGetProperty(name, out JsonElement value) && value.ValueKind == expected;

    private static string[] Parts(JsonElement entry) => entry.ValueKind switch
    {
        JsonValueKind.String => entry.GetString()!.Split(' '),
        JsonValueKind.Array => [.. entry.EnumerateArray()
            .Where(part => part.ValueKind == JsonValueKind.String)
            .Select(part => part.GetString()!)],
        _ => [],
    };
}
