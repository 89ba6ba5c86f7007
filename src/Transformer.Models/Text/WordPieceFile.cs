using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>The sections of a tokenizer.json file that WordPiece has of its own.</summary>
internal static class WordPieceFile
{
    private const string PreTokenizer = "BertPreTokenizer";

    /// <summary>Writes all sections but the normalizer.</summary>
    public static void WriteSections(
        Utf8JsonWriter json, Vocabulary vocabulary, int longestWord, bool cleansUp)
    {
        TokenizerFile.WriteTyped(json, "pre_tokenizer", PreTokenizer);
        WriteTemplate(json, vocabulary);
        json.WriteStartObject("decoder");
        json.WriteString("type", WordPieceTokenizer.ModelType);
        json.WriteString("prefix", WordPieceTokenizer.Continuation);
        json.WriteBoolean("cleanup", cleansUp);
        json.WriteEndObject();
        json.WriteStartObject("model");
        json.WriteString("type", WordPieceTokenizer.ModelType);
        json.WriteString("unk_token", vocabulary[vocabulary.Special.Unknown]);
        json.WriteString("continuing_subword_prefix", WordPieceTokenizer.Continuation);
        json.WriteNumber("max_input_chars_per_word", longestWord);
        TokenizerFile.WriteVocabulary(json, vocabulary);
        json.WriteEndObject();
    }

    /// <summary>Refuses settings under which the same text would give other tokens.</summary>
    public static (string Unknown, int LongestWord, bool CleansUp) CheckSections(
        TokenizerFile file)
    {
        string? splitter = file.TypeOf(file.Root, "pre_tokenizer");
        file.Require(
            splitter == PreTokenizer,
            $"has pre_tokenizer '{splitter ?? "null"}'; a WordPiece file here has {PreTokenizer}.");
        bool isMarked = file.Model.TryGetProperty(
            "continuing_subword_prefix", out JsonElement prefix) &&
            prefix.ValueKind == JsonValueKind.String &&
            prefix.ValueEquals(WordPieceTokenizer.Continuation);
        file.Require(isMarked, "has another 'model.continuing_subword_prefix' than '##'.");
        bool hasUnknown = file.Model.TryGetProperty("unk_token", out JsonElement unknown) &&
            unknown.ValueKind == JsonValueKind.String;
        file.Require(hasUnknown, "has no 'model.unk_token'.");
        int longest = WordPieceTokenizer.DefaultLongestWord;
        if (file.Model.TryGetProperty("max_input_chars_per_word", out JsonElement most))
        {
            bool valid = most.ValueKind == JsonValueKind.Number &&
                most.TryGetInt32(out longest) && longest > 0;
            file.Require(valid, "has a 'model.max_input_chars_per_word' that is no number from 1.");
        }
        bool cleansUp = file.TypeOf(file.Root, "decoder") != WordPieceTokenizer.ModelType ||
            !file.Root.GetProperty("decoder").TryGetProperty("cleanup", out JsonElement flag) ||
            flag.ValueKind != JsonValueKind.False;
        return (unknown.GetString()!, longest, cleansUp);
    }

    /// <summary>Joins marks and English contractions to the word before them.</summary>
    public static StringBuilder CleanUp(StringBuilder text) => text
        .Replace(" .", ".").Replace(" ?", "?").Replace(" !", "!").Replace(" ,", ",")
        .Replace(" ' ", "'").Replace(" n't", "n't").Replace(" 'm", "'m").Replace(" 's", "'s")
        .Replace(" 've", "'ve").Replace(" 're", "'re");

    /// <summary>[CLS] A [SEP], and [CLS] A [SEP] B [SEP].</summary>
    private static void WriteTemplate(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        (int first, int last) = (vocabulary.Special.Bos, vocabulary.Special.Eos);
        json.WriteStartObject("post_processor");
        json.WriteString("type", "TemplateProcessing");
        json.WriteStartArray("single");
        WriteSpecial(vocabulary[first], 0);
        WriteText("A", 0);
        WriteSpecial(vocabulary[last], 0);
        json.WriteEndArray();
        json.WriteStartArray("pair");
        WriteSpecial(vocabulary[first], 0);
        WriteText("A", 0);
        WriteSpecial(vocabulary[last], 0);
        WriteText("B", 1);
        WriteSpecial(vocabulary[last], 1);
        json.WriteEndArray();
        json.WriteStartObject("special_tokens");
        foreach (int id in (HashSet<int>)[first, last])
        {
            json.WriteStartObject(vocabulary[id]);
            json.WriteString("id", vocabulary[id]);
            json.WriteStartArray("ids");
            json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            json.WriteStringValue(vocabulary[id]);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteEndObject();

        void WriteSpecial(string name, int segment) => WritePart("SpecialToken", name, segment);

        void WriteText(string name, int segment) => WritePart("Sequence", name, segment);

        void WritePart(string kind, string name, int segment)
        {
            json.WriteStartObject();
            json.WriteStartObject(kind);
            json.WriteString("id", name);
            json.WriteNumber("type_id", segment);
            json.WriteEndObject();
            json.WriteEndObject();
        }
    }
}
