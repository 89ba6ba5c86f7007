namespace Transformer.Models.Text;

/// <summary>How <see cref="BytePairTokenizer.Train"/> learns its pieces.</summary>
public sealed record BytePairOptions
{
    /// <summary>Smallest vocabulary: the special tokens and the 256 bytes.</summary>
    public const int SmallestVocabulary = 4 + 256;

    /// <summary>Most pieces to learn, special tokens and the 256 bytes included.</summary>
    public int VocabularySize { get; init; } = 10_000;

    /// <summary>Times a pair must occur to be merged; at least 1.</summary>
    public int MinFrequency { get; init; } = 2;

    /// <summary>Names of special tokens besides the four; they follow those.</summary>
    public IReadOnlyList<string> MoreSpecialTokens { get; init; } = [];

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        int smallest = SmallestVocabulary + MoreSpecialTokens.Count;
        if (VocabularySize < smallest)
        {
            throw new ArgumentException(
                $"BytePairTokenizer: 'VocabularySize' is {VocabularySize}; expected at least " +
                $"{smallest}: the special tokens and 256 bytes.");
        }
        SpecialTokens.CheckMore(nameof(BytePairTokenizer), MoreSpecialTokens);
        if (MinFrequency < 1)
        {
            throw new ArgumentException(
                $"BytePairTokenizer: 'MinFrequency' is {MinFrequency}; expected at least 1.");
        }
    }
}
