using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>What a tokenizer.json file says of a unigram model besides its pieces.</summary>
/// <param name="Normalizer">Done to text before it is cut.</param>
/// <param name="ByteFallback">What is no piece is spelled in bytes.</param>
/// <param name="SplitsWords">Pieces do not cross spaces.</param>
internal sealed record UnigramFileOptions(
    TextNormalizer Normalizer, bool ByteFallback, bool SplitsWords)
{
    /// <summary>Pieces, with log probabilities, that text is cut into and that have no id: each
    /// is an unknown token.</summary>
    public IReadOnlyList<(string Piece, double Score)> WithoutId { get; init; } = [];
}

/// <summary>The sections of a tokenizer.json file that a unigram model has of its own.</summary>
internal static class UnigramFile
{
    // The second is a field of this library's own, which others pass over.
    private const string Metaspace = "Metaspace", Unlisted = "pieces_without_id";

    public static void WriteSections(
        Utf8JsonWriter json, Vocabulary vocabulary, double[] scores, UnigramFileOptions options)
    {
        NormalizerFile.Write(json, options.Normalizer);
        WriteMetaspace(json, "pre_tokenizer", options.SplitsWords);
        json.WriteNull("post_processor");
        if (options.ByteFallback)
        {
            json.WriteStartObject("decoder");
            json.WriteString("type", "Sequence");
            json.WriteStartArray("decoders");
            json.WriteStartObject();
            json.WriteString("type", "ByteFallback");
            json.WriteEndObject();
            WriteMetaspace(json, null, options.SplitsWords);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        else
        {
            WriteMetaspace(json, "decoder", options.SplitsWords);
        }
        json.WriteStartObject("model");
        json.WriteString("type", UnigramTokenizer.ModelType);
        json.WriteNumber("unk_id", vocabulary.Special.Unknown);
        json.WriteBoolean("byte_fallback", options.ByteFallback);
        WritePieces(json, "vocab",
            Enumerable.Range(0, vocabulary.Count).Select(id => (vocabulary[id], scores[id])));
        if (options.WithoutId.Count > 0) WritePieces(json, Unlisted, options.WithoutId);
        json.WriteEndObject();
    }

    public static UnigramTokenizer Read(TokenizerFile file)
    {
        TextNormalizer normalizer = NormalizerFile.Read(file);
        bool splitsWords = ReadMetaspace(file);
        bool byteFallback = file.Model.TryGetProperty("byte_fallback", out JsonElement flag) &&
            flag.ValueKind == JsonValueKind.True;
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        List<double> scores = ReadPieces(file, "vocab", ids);
        (string, double)[] withoutId = [];
        if (file.Model.TryGetProperty(Unlisted, out _))
        {
            Dictionary<string, int> more = new(StringComparer.Ordinal);
            List<double> moreScores = ReadPieces(file, Unlisted, more);
            string? both = more.Keys.FirstOrDefault(ids.ContainsKey);
            file.Require(both is null, $"has token '{both}' in 'model.{Unlisted}', too.");
            withoutId = [.. more.Select(entry => (entry.Key, moreScores[entry.Value]))];
        }

        string? unknown = ReadUnknown(file, ids);
        Vocabulary vocabulary = file.ReadVocabulary(ids, unknown);
        file.Require(
            unknown is null || vocabulary.IsSpecial(ids[unknown]),
            $"lacks the special token '{unknown}' in 'added_tokens'.");
        // Added tokens beyond the model's have no probability.
        while (scores.Count < vocabulary.Count) scores.Add(0);
        for (int b = 0; byteFallback && b < 256; b++)
        {
            file.Require(
                vocabulary.TryGetPiece(BytePieces.Name((byte)b), out _),
                $"lacks the piece '{BytePieces.Name((byte)b)}'; expected all 256 for " +
                "byte_fallback.");
        }
        return new(vocabulary, [.. scores],
            new(normalizer, byteFallback, splitsWords) { WithoutId = withoutId });
    }

    private static List<double> ReadPieces(
        TokenizerFile file, string section, Dictionary<string, int> ids)
    {
        bool hasPieces = file.Model.TryGetProperty(section, out JsonElement array) &&
            array.ValueKind == JsonValueKind.Array;
        file.Require(hasPieces, $"has no 'model.{section}' array.");
        List<double> scores = [];
        foreach (JsonElement entry in array.EnumerateArray())
        {
            double score = 0;
            bool isPair = entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 2 &&
                entry[0].ValueKind == JsonValueKind.String &&
                entry[1].ValueKind == JsonValueKind.Number &&
                entry[1].TryGetDouble(out score) && double.IsFinite(score);
            file.Require(
                isPair, $"has piece {scores.Count} that is no pair of a string and a number.");
            string piece = entry[0].GetString()!;
            file.Require(piece.Length > 0, $"has piece {scores.Count} that is empty.");
            bool isNew = ids.TryAdd(piece, scores.Count);
            file.Require(isNew, $"has token '{piece}' twice in 'model.{section}'.");
            scores.Add(score);
        }
        return scores;
    }

    private static string? ReadUnknown(TokenizerFile file, Dictionary<string, int> ids)
    {
        if (!file.Model.TryGetProperty("unk_id", out JsonElement value) ||
            value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }
        bool valid = value.ValueKind == JsonValueKind.Number &&
            value.TryGetInt32(out int id) && id >= 0 && id < ids.Count;
        file.Require(valid, $"has a 'model.unk_id' that is no number from 0 to {ids.Count - 1}.");
        int unknown = value.GetInt32();
        return ids.First(entry => entry.Value == unknown).Key;
    }

    private static bool ReadMetaspace(TokenizerFile file)
    {
        string? type = file.TypeOf(file.Root, "pre_tokenizer");
        file.Require(
            type == Metaspace,
            $"has pre_tokenizer '{type ?? "null"}'; a Unigram file here has {Metaspace}.");
        JsonElement section = file.Root.GetProperty("pre_tokenizer");
        bool isMarked = section.TryGetProperty("replacement", out JsonElement mark) &&
            mark.ValueKind == JsonValueKind.String &&
            mark.ValueEquals([UnigramTokenizer.SpaceMark]);
        // Newer files say prepend_scheme, older ones add_prefix_space.
        bool prepends = section.TryGetProperty("prepend_scheme", out JsonElement scheme)
            ? scheme.ValueKind == JsonValueKind.String && scheme.ValueEquals("always")
            : !section.TryGetProperty("add_prefix_space", out JsonElement prefix) ||
                prefix.ValueKind != JsonValueKind.False;
        file.Require(
            isMarked && prepends,
            "has another 'pre_tokenizer' than Metaspace with replacement ▁ before the text and " +
            "for each space, the only one supported.");
        return !section.TryGetProperty("split", out JsonElement split) ||
            split.ValueKind != JsonValueKind.False;
    }

    private static void WritePieces(
        Utf8JsonWriter json, string section, IEnumerable<(string Piece, double Score)> pieces)
    {
        json.WriteStartArray(section);
        foreach ((string piece, double score) in pieces)
        {
            json.WriteStartArray();
            json.WriteStringValue(piece);
            json.WriteNumberValue(score);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static void WriteMetaspace(Utf8JsonWriter json, string? section, bool splitsWords)
    {
        if (section is null) json.WriteStartObject();
        else json.WriteStartObject(section);
        json.WriteString("type", Metaspace);
        json.WriteString("replacement", UnigramTokenizer.SpaceMark.ToString());
        json.WriteString("prepend_scheme", "always");
        json.WriteBoolean("split", splitsWords);
        json.WriteEndObject();
    }
}
