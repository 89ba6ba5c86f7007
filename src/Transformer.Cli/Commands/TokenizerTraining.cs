using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary>Tokenizers by the names that the command line uses.</summary>
internal static class TokenizerTraining
{
    /// <summary>Learns a tokenizer from text.</summary>
    /// <param name="kind"><c>word</c>, <c>bpe</c> or <c>char</c>.</param>
    /// <param name="lines">The text.</param>
    /// <param name="vocabulary">Most tokens; null: every word, or 10000 pieces.</param>
    /// <param name="lowercase">Fold to lower case; words alone.</param>
    /// <param name="cancellation">Stops the learning.</param>
    /// <exception cref="ArgumentException">A value is out of range or does not go with the kind.
    /// </exception>
    public static Tokenizer Train(
        string kind, IEnumerable<string> lines, int? vocabulary, bool lowercase,
        CancellationToken cancellation)
    {
        if (kind == "word")
        {
            WordTokenizerOptions words = new() { Lowercase = lowercase };
            if (vocabulary is { } most) words = words with { VocabularySize = most };
            return WordTokenizer.Train(lines, words);
        }

        if (kind == "char")
        {
            if (lowercase || vocabulary is not null)
            {
                throw new ArgumentException("tokenizer: kind 'char' takes every character of the " +
                    "text as it is. Leave --vocabulary and --lowercase out.");
            }

            return CharacterTokenizer.Train(lines.Select(line => line + "\n"));
        }

        if (lowercase)
        {
            throw new ArgumentException("tokenizer: lower case is for kind 'word' alone; byte " +
                "pairs keep every byte. Lower the text itself, or leave the option out.");
        }

        BytePairOptions pieces = new();
        if (vocabulary is { } size) pieces = pieces with { VocabularySize = size };
        return BytePairTokenizer.Train(lines, pieces, cancellation: cancellation);
    }
}
