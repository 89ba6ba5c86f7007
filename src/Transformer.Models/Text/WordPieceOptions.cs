namespace Transformer.Models.Text;

/// <summary>How <see cref="WordPieceTokenizer.Train"/> learns its pieces.</summary>
public sealed record WordPieceOptions
{
    /// <summary>Most pieces to learn, the special tokens included.</summary>
    public int VocabularySize { get; init; } = 30_000;

    /// <summary>Times a pair must occur to be merged; at least 1.</summary>
    public int MinFrequency { get; init; } = 2;

    /// <summary>Most characters to know, the most frequent ones; words with others are unknown.
    /// </summary>
    public int AlphabetSize { get; init; } = 1000;

    /// <summary>Folds text to lower case (BERT's "uncased").</summary>
    public bool Lowercase { get; init; } = true;

    /// <summary>Drops accents; null: where case is folded, as BERT does.</summary>
    public bool? StripAccents { get; init; }

    /// <summary>Makes each Chinese character a word.</summary>
    public bool SplitChinese { get; init; } = true;

    /// <summary>Names of special tokens besides BERT's five; they follow those.</summary>
    public IReadOnlyList<string> MoreSpecialTokens { get; init; } = [];

    /// <summary>BERT's normalisation with these options.</summary>
    internal TextNormalizer Normalizer() => new()
    {
        CleanText = true,
        SplitChinese = SplitChinese,
        StripAccents = StripAccents ?? Lowercase,
        Lowercase = Lowercase,
    };

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        int specials = WordPieceTokenizer.SpecialNames.Count + MoreSpecialTokens.Count;
        Require(nameof(VocabularySize), VocabularySize, specials + 1);
        Require(nameof(MinFrequency), MinFrequency, 1);
        Require(nameof(AlphabetSize), AlphabetSize, 1);
        SpecialTokens.CheckMore(
            nameof(WordPieceTokenizer), MoreSpecialTokens, WordPieceTokenizer.SpecialNames);
    }

    private static void Require(string name, int value, int least)
    {
        if (value < least)
        {
            throw new ArgumentException(
                $"WordPieceTokenizer: '{name}' is {value}; expected at least {least}.");
        }
    }
}
