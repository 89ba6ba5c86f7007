using System.Text;

namespace Transformer.Models.Text;

/// <summary>How <see cref="WordTokenizer.Train"/> chooses the vocabulary.</summary>
public sealed record WordTokenizerOptions
{
    /// <summary>Most tokens to keep, the four special ones included; at least 5.</summary>
    public int VocabularySize { get; init; } = int.MaxValue;

    /// <summary>Times a word must occur to be kept; at least 1.</summary>
    public int MinFrequency { get; init; } = 1;

    /// <summary>Folds text to lower case before splitting; case is then lost.</summary>
    public bool Lowercase { get; init; }

    /// <summary>Drops accents and other combining marks (é becomes e, й becomes и).</summary>
    public bool StripAccents { get; init; }

    /// <summary>Unicode normalization form; null leaves characters as they are. With <see
    /// cref="StripAccents"/> characters stay taken apart.</summary>
    public NormalizationForm? Form { get; init; }

    /// <summary>Names of special tokens besides the four, such as
    /// <see cref="BertTokens.Names"/>; they follow those.</summary>
    public IReadOnlyList<string> MoreSpecialTokens { get; init; } = [];

    /// <summary>The steps that these options ask for.</summary>
    internal TextNormalizer Normalizer() => new()
    {
        Form = !StripAccents ? Form
            : Form is NormalizationForm.FormKC or NormalizationForm.FormKD
                ? NormalizationForm.FormKD : NormalizationForm.FormD,
        StripAccents = StripAccents,
        Lowercase = Lowercase,
    };

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        int specials = SpecialTokens.Names.Count + MoreSpecialTokens.Count;
        if (VocabularySize <= specials)
        {
            throw new ArgumentException(
                $"WordTokenizer: 'VocabularySize' is {VocabularySize}; expected at least " +
                $"{specials + 1}: {specials} special tokens and a word.");
        }
        SpecialTokens.CheckMore(nameof(WordTokenizer), MoreSpecialTokens);
        if (MinFrequency < 1)
        {
            throw new ArgumentException(
                $"WordTokenizer: 'MinFrequency' is {MinFrequency}; expected at least 1.");
        }
    }
}
