namespace Transformer.Models.Generation;

/// <summary>A model that continues several token sequences by one token at a time.</summary>
internal interface IStepDecoder
{
    /// <summary>V: tokens that can follow.</summary>
    int Vocabulary { get; }

    /// <summary>Appends a token to each row's sequence.</summary>
    /// <param name="parents">[rows]: row i goes on from what row parents[i] held; its own row in
    /// the first step.</param>
    /// <param name="tokens">[rows]: what is appended.</param>
    /// <returns>Logits [rows, V] of the next token; valid until the next call.</returns>
    ReadOnlySpan<float> Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens);
}

/// <summary>Tokens with a meaning to the search.</summary>
/// <param name="Pad">Never chosen.</param>
/// <param name="Bos">Opens every sequence; never chosen.</param>
/// <param name="Eos">Ends a sequence.</param>
internal readonly record struct SearchTokens(int Pad, int Bos, int Eos)
{
    /// <summary>Whether the search may choose a token.</summary>
    public bool Allows(int token) => token != Pad && token != Bos;
}
