namespace Transformer.Models.Text;

/// <summary>What encoding does besides turning text into tokens; by default nothing.</summary>
public readonly record struct EncodingOptions
{
    /// <summary>Puts <see cref="SpecialTokens.Bos"/> first.</summary>
    public bool AddBos { get; init; }

    /// <summary>Puts <see cref="SpecialTokens.Eos"/> last.</summary>
    public bool AddEos { get; init; }

    /// <summary>Names of special tokens in the text become those tokens; else they are plain
    /// text. Leave it off for text from outside, which could fake the end of a sequence.
    /// </summary>
    public bool ParseSpecialTokens { get; init; }
}
