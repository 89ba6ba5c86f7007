using Transformer.Models.Text;

namespace Transformer.Cli.Commands;

/// <summary>Tokenizers by the names that the command line uses.</summary>
internal static class TokenizerTraining
{
    /// <summary>All names.</summary>
    public static string[] Kinds { get; } = ["word", "char", "bpe", "wordpiece", "unigram"];

    /// <summary>Learns a tokenizer from text.</summary>
    /// <param name="kind">One of <see cref="Kinds"/>.</param>
    /// <param name="lines">The text.</param>
    /// <param name="settings">What was asked for.</param>
    /// <param name="cancellation">Stops the learning.</param>
    /// <exception cref="ArgumentException">A value is out of range or does not go with the kind.
    /// </exception>
    public static Tokenizer Train(
        string kind, IEnumerable<string> lines, TokenizerSettings settings,
        CancellationToken cancellation)
    {
        Refuse(settings.Cased && kind != "wordpiece",
            "--cased is for kind 'wordpiece' alone; the others keep case. Leave it out.");
        Refuse(settings.ByteFallback && kind != "unigram",
            "--byte-fallback is for kind 'unigram' alone. Leave it out.");
        bool folds = settings.Lowercase;
        int? size = settings.Vocabulary;
        switch (kind)
        {
            case "word":
                WordTokenizerOptions words = new() { Lowercase = folds };
                return WordTokenizer.Train(
                    lines, size is { } most ? words with { VocabularySize = most } : words);
            case "char":
                Refuse(folds || size is not null, "kind 'char' takes every character of the " +
                    "text as it is. Leave --vocabulary and --lowercase out.");
                return CharacterTokenizer.Train(lines.Select(line => line + "\n"));
            case "wordpiece":
                Refuse(folds, "kind 'wordpiece' folds case already. Leave --lowercase out, or " +
                    "say --cased to keep case.");
                WordPieceOptions parts = new() { Lowercase = !settings.Cased };
                return WordPieceTokenizer.Train(
                    lines, size is { } n ? parts with { VocabularySize = n } : parts,
                    cancellation: cancellation);
            case "unigram":
                UnigramOptions unigram = new()
                {
                    Lowercase = folds,
                    ByteFallback = settings.ByteFallback,
                };
                return UnigramTokenizer.Train(
                    lines, size is { } m ? unigram with { VocabularySize = m } : unigram,
                    cancellation: cancellation);
            default:
                Refuse(folds, "lower case is for kinds 'word' and 'unigram'; byte pairs keep " +
                    "every byte. Lower the text itself, or leave the option out.");
                BytePairOptions pairs = new();
                return BytePairTokenizer.Train(
                    lines, size is { } p ? pairs with { VocabularySize = p } : pairs,
                    cancellation: cancellation);
        }
    }

    private static void Refuse(bool isWrong, string message)
    {
        if (isWrong) throw new ArgumentException($"tokenizer: {message}");
    }
}

/// <summary>What the command line asks of a tokenizer's training.</summary>
/// <param name="Vocabulary">Most tokens; null: the kind's default.</param>
/// <param name="Lowercase">Fold to lower case.</param>
/// <param name="Cased">Keep case where folding is the default.</param>
/// <param name="ByteFallback">Spell unknown characters in bytes.</param>
internal readonly record struct TokenizerSettings(
    int? Vocabulary, bool Lowercase, bool Cased = false, bool ByteFallback = false);
