namespace Transformer.Models.Text;

/// <summary>How <see cref="UnigramTokenizer.Train"/> learns its pieces.</summary>
public sealed record UnigramOptions
{
    /// <summary>Pieces to end with, special tokens and bytes included.</summary>
    public int VocabularySize { get; init; } = 8000;

    /// <summary>Share of the text's characters that the alphabet must cover, above 0 and at most
    /// 1; rarer characters are unknown.</summary>
    public double CharacterCoverage { get; init; } = 0.9995;

    /// <summary>Most code points of a piece, 1 to 64.</summary>
    public int LongestPiece { get; init; } = 16;

    /// <summary>Frequent substrings to start from; at least 1.</summary>
    public int SeedSize { get; init; } = 1_000_000;

    /// <summary>Share of the pieces that each pruning keeps, above 0 and below 1.</summary>
    public double Shrinking { get; init; } = 0.75;

    /// <summary>Rounds of expectation and maximisation between prunings; at least 1.</summary>
    public int Rounds { get; init; } = 2;

    /// <summary>Folds text to lower case.</summary>
    public bool Lowercase { get; init; }

    /// <summary>Adds the 256 bytes as pieces: what is no piece is spelled in UTF-8, and nothing
    /// is unknown.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Names of special tokens besides the four; they follow those.</summary>
    public IReadOnlyList<string> MoreSpecialTokens { get; init; } = [];

    /// <summary>Ids that are no learnt pieces.</summary>
    internal int Reserved =>
        SpecialTokens.Names.Count + MoreSpecialTokens.Count + (ByteFallback ? 256 : 0);

    /// <summary>SentencePiece's normalisation with these options.</summary>
    internal TextNormalizer Normalizer() => new()
    {
        CleanSeparators = true,
        Form = System.Text.NormalizationForm.FormKC,
        Lowercase = Lowercase,
        CollapseSpaces = true,
        Trim = true,
    };

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        Require(nameof(VocabularySize), VocabularySize, VocabularySize > Reserved,
            $"at least {Reserved + 1}: special tokens, bytes and a piece");
        Require(nameof(CharacterCoverage), CharacterCoverage, CharacterCoverage is > 0 and <= 1,
            "above 0 and at most 1");
        Require(nameof(LongestPiece), LongestPiece, LongestPiece is >= 1 and <= 64, "1 to 64");
        Require(nameof(SeedSize), SeedSize, SeedSize >= 1, "at least 1");
        Require(nameof(Shrinking), Shrinking, Shrinking is > 0 and < 1, "above 0 and below 1");
        Require(nameof(Rounds), Rounds, Rounds >= 1, "at least 1");
        SpecialTokens.CheckMore(nameof(UnigramTokenizer), MoreSpecialTokens);
    }

    private static void Require(string name, double value, bool holds, string expected)
    {
        if (holds) return;
        throw new ArgumentException(string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"UnigramTokenizer: '{name}' is {value}; expected {expected}."));
    }
}
