using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>One token a word or punctuation mark; words never seen are unknown.</summary>
/// <remarks>Simple and readable, right for a closed vocabulary. For open text use
/// <see cref="BytePairTokenizer"/>, which knows every word. Decoding restores the usual spacing
/// of English and Russian, not unusual spacing.</remarks>
public sealed class WordTokenizer : Tokenizer
{
    internal const string ModelType = "WordLevel";

    private readonly TextNormalizer _normalizer;

    private WordTokenizer(Vocabulary vocabulary, TextNormalizer normalizer)
        : base(vocabulary) => _normalizer = normalizer;

    /// <summary>Whether text is folded to lower case first.</summary>
    public bool Lowercase => _normalizer.Lowercase;

    /// <summary>Whether accents are dropped first.</summary>
    public bool StripAccents => _normalizer.StripAccents;

    /// <summary>Unicode normalization form of the words; null: as they are.</summary>
    public NormalizationForm? Form => _normalizer.Form;

    /// <summary>Builds a vocabulary of the most frequent words.</summary>
    /// <param name="lines">Training text; the order of the lines does not matter.</param>
    /// <param name="options">Size and folding; null keeps every word as it is.</param>
    /// <returns>Ids 0 to 3 are the special tokens; words follow by falling frequency, words
    /// equally frequent in ordinal order.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="lines"/> is null.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or no word is frequent
    /// enough.</exception>
    public static WordTokenizer Train(
        IEnumerable<string> lines, WordTokenizerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(lines);
        options ??= new();
        options.Validate();

        TextNormalizer normalizer = options.Normalizer();
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string line in lines)
        {
            ReadOnlySpan<char> folded = Fold(WellFormed(line), normalizer);
            foreach (ReadOnlySpan<char> word in new WordSplitter(folded))
                CollectionsMarshal.GetValueRefOrAddDefault(bySpan, word, out _)++;
        }
        string[] words = [.. counts
            .Where(entry => entry.Value >= options.MinFrequency)
            .OrderByDescending(entry => entry.Value)
            .ThenBy(entry => entry.Key, StringComparer.Ordinal)
            .Where(entry => !options.MoreSpecialTokens.Contains(entry.Key))
            .Take(options.VocabularySize - SpecialTokens.Names.Count
                - options.MoreSpecialTokens.Count)
            .Select(entry => entry.Key)];
        if (words.Length == 0)
        {
            throw new ArgumentException(
                $"WordTokenizer: the training text has no word that occurs at least " +
                $"{options.MinFrequency} times. Give more text or lower 'MinFrequency'.");
        }
        return new(Vocabulary.WithSpecialTokens(words, options.MoreSpecialTokens), normalizer);
    }

    internal static WordTokenizer Read(TokenizerFile file)
    {
        TextNormalizer normalizer = NormalizerFile.Read(file);
        file.Require(
            file.TypeOf(file.Root, "pre_tokenizer") == "Split" && IsOurSplit(file.Root),
            "has a 'pre_tokenizer' that cuts words in another way; expected Split with the " +
            "pattern that WordTokenizer writes.");
        return new(file.ReadVocabulary(), normalizer);
    }

    private protected override void AppendTokens(ReadOnlySpan<char> text, TokenSink sink)
    {
        AlignedText? normal =
            _normalizer.IsIdentity ? null : _normalizer.Apply(text, sink.WantsOffsets);
        WordSplitter words = new(normal is null ? text : normal.Text);
        while (words.MoveNext())
        {
            sink.Add(Vocabulary.IdOfText(words.Current));
            if (!sink.WantsOffsets) continue;
            TokenOffset place = new(words.Start, words.Start + words.Current.Length);
            if (normal is not null) place = normal.Origin(place.Start, place.End);
            sink.AddOffset(place.Start, place.End);
        }
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        string[] tokens = new string[ids.Length];
        for (int i = 0; i < tokens.Length; i++) tokens[i] = Vocabulary[ids[i]];
        return WordJoiner.Join(tokens);
    }

    private protected override void WriteSections(Utf8JsonWriter json)
    {
        NormalizerFile.Write(json, _normalizer);
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", WordSplitter.Pattern);
        json.WriteEndObject();
        // Removed + invert: what matches is kept, what lies between (white space) is dropped.
        json.WriteString("behavior", "Removed");
        json.WriteBoolean("invert", true);
        json.WriteEndObject();
        json.WriteNull("post_processor");
        // The nearest that the format has: joins by spaces, then tightens punctuation.
        json.WriteStartObject("decoder");
        json.WriteString("type", "WordPiece");
        json.WriteString("prefix", "##");
        json.WriteBoolean("cleanup", true);
        json.WriteEndObject();
        json.WriteStartObject("model");
        json.WriteString("type", ModelType);
        TokenizerFile.WriteVocabulary(json, Vocabulary);
        json.WriteString("unk_token", SpecialTokens.UnknownName);
        json.WriteEndObject();
    }

    private static bool IsOurSplit(JsonElement root)
    {
        JsonElement split = root.GetProperty("pre_tokenizer");
        return split.TryGetProperty("pattern", out JsonElement pattern) &&
            pattern.ValueKind == JsonValueKind.Object &&
            pattern.TryGetProperty("Regex", out JsonElement regex) &&
            regex.ValueKind == JsonValueKind.String &&
            regex.ValueEquals(WordSplitter.Pattern);
    }

    private static ReadOnlySpan<char> Fold(string text, TextNormalizer normalizer) =>
        normalizer.IsIdentity ? text : normalizer.Apply(text, isTracked: false).Text;
}
