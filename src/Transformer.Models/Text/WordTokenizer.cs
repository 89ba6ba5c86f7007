using System.Runtime.InteropServices;
using System.Text.Json;

namespace Transformer.Models.Text;

/// <summary>One token a word or punctuation mark; words never seen are unknown.</summary>
/// <remarks>Simple and readable, right for a closed vocabulary. For open text use
/// <see cref="BytePairTokenizer"/>, which knows every word. Decoding restores the usual spacing
/// of English and Russian, not unusual spacing.</remarks>
public sealed class WordTokenizer : Tokenizer
{
    internal const string ModelType = "WordLevel";

    private WordTokenizer(Vocabulary vocabulary, bool lowercase)
        : base(vocabulary) => Lowercase = lowercase;

    /// <summary>Whether text is folded to lower case first.</summary>
    public bool Lowercase { get; }

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

        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string line in lines)
        {
            foreach (ReadOnlySpan<char> word in new WordSplitter(Fold(line, options.Lowercase)))
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
        return new(
            Vocabulary.WithSpecialTokens(words, options.MoreSpecialTokens), options.Lowercase);
    }

    internal static WordTokenizer Read(TokenizerFile file)
    {
        bool lowercase = file.TypeOf(file.Root, "normalizer") switch
        {
            null => false,
            "Lowercase" => true,
            string other => throw file.Error(
                $"has normalizer '{other}'; a WordLevel file here has Lowercase or null."),
        };
        file.Require(
            file.TypeOf(file.Root, "pre_tokenizer") == "Split" && IsOurSplit(file.Root),
            "has a 'pre_tokenizer' that cuts words in another way; expected Split with the " +
            "pattern that WordTokenizer writes.");
        return new(file.ReadVocabulary(), lowercase);
    }

    private protected override void AppendIds(ReadOnlySpan<char> text, List<int> ids)
    {
        if (Lowercase) text = Fold(text.ToString(), lowercase: true);
        foreach (ReadOnlySpan<char> word in new WordSplitter(text))
            ids.Add(Vocabulary.IdOfText(word));
    }

    private protected override string Join(ReadOnlySpan<int> ids)
    {
        string[] tokens = new string[ids.Length];
        for (int i = 0; i < tokens.Length; i++) tokens[i] = Vocabulary[ids[i]];
        return WordJoiner.Join(tokens);
    }

    private protected override void WriteSections(Utf8JsonWriter json)
    {
        TokenizerFile.WriteTyped(json, "normalizer", Lowercase ? "Lowercase" : null);
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

    private static string Fold(string text, bool lowercase) =>
        lowercase ? WellFormed(text).ToLowerInvariant() : WellFormed(text);
}
