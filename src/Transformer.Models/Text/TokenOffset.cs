namespace Transformer.Models.Text;

/// <summary>Where a token stands in its text.</summary>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="End">Index after its last one.</param>
/// <remarks>Tokens that are parts of one character (bytes) all span the whole character; tokens
/// that were added (beginning and end of a sequence) are empty.</remarks>
public readonly record struct TokenOffset(int Start, int End)
{
    /// <summary>UTF-16 units spanned.</summary>
    public int Length => End - Start;
}
