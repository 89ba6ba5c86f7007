using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>One token a Unicode code point; those never seen are unknown.</summary>
/// <remarks>The smallest vocabulary and the longest sequences: for small models that learn a text
/// by letters. Line ends are tokens as all others; decoding gives the text back exactly.</remarks>
public sealed class CharacterTokenizer : Tokenizer
{
    internal const string ModelType = WordTokenizer.ModelType;

    // Every code point, line ends among them, is a piece of its own.
    private const string Pattern = @"[\s\S]";

    private CharacterTokenizer(Vocabulary vocabulary)
        : base(vocabulary)
    {
    }

    /// <summary>Builds a vocabulary of all code points of a text.</summary>
    /// <param name="texts">Training text; the order of its parts does not matter.</param>
    /// <returns>Ids 0 to 3 are the special tokens; code points follow in their own order.</returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
    public static CharacterTokenizer Train(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        SortedSet<Rune> runes = [];
        foreach (string text in texts)
            foreach (Rune rune in text.EnumerateRunes()) runes.Add(rune);
        if (runes.Count == 0)
        {
            throw new ArgumentException(
                "CharacterTokenizer: the training text is empty. Give some text.");
        }

        return new(Vocabulary.WithSpecialTokens(runes.Select(rune => rune.ToString())));
    }

    /// <summary>Whether a WordLevel file cuts text into code points.</summary>
    internal static bool Reads(TokenizerFile file) =>
        file.TypeOf(file.Root, "pre_tokenizer") == "Split" &&
        file.Root.GetProperty("pre_tokenizer").TryGetProperty("pattern", out JsonElement pattern) &&
        pattern.ValueKind == JsonValueKind.Object &&
        pattern.TryGetProperty("Regex", out JsonElement regex) &&
        regex.ValueKind == JsonValueKind.String && regex.ValueEquals(Pattern);

    internal static CharacterTokenizer Read(TokenizerFile file)
    {
        file.Require(file.TypeOf(file.Root, "normalizer") is null,
            "has a normalizer; a file of single characters here has none.");
        return new(file.ReadVocabulary());
    }

    private protected override void AppendTokens(ReadOnlySpan<char> text, TokenSink sink)
    {
        for (int i = 0, length; i < text.Length; i += length)
        {
            length = char.IsHighSurrogate(text[i]) && i + 1 < text.Length ? 2 : 1;
            sink.Add(Vocabulary.IdOfText(text.Slice(i, length)), i, i + length);
        }
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        StringBuilder text = new(ids.Length);
        foreach (int id in ids) text.Append(Vocabulary[id]);
        return text.ToString();
    }

    private protected override void WriteSections(Utf8JsonWriter json)
    {
        json.WriteNull("normalizer");
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", Pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        json.WriteNull("post_processor");
        TokenizerFile.WriteTyped(json, "decoder", "Fuse");
        json.WriteStartObject("model");
        json.WriteString("type", ModelType);
        TokenizerFile.WriteVocabulary(json, Vocabulary);
        json.WriteString("unk_token", SpecialTokens.UnknownName);
        json.WriteEndObject();
    }
}
