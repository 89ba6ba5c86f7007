namespace Transformer.Models.Text;

/// <summary>The tokens of a text, each with its place.</summary>
/// <param name="Ids">Token ids [length].</param>
/// <param name="Offsets">Places in the text as it was given [length], in UTF-16 units: text
/// that normalisation or splitting drops belongs to no token.</param>
public sealed record TokenizedText(
    IReadOnlyList<int> Ids, IReadOnlyList<TokenOffset> Offsets);
