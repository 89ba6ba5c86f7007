namespace Transformer.Models.Text;

/// <summary>One rule of byte-pair encoding: two neighbours become one token.</summary>
/// <param name="Left">Id of the first token.</param>
/// <param name="Right">Id of the token after it.</param>
/// <param name="Id">Id of the token that replaces both.</param>
internal readonly record struct BytePairMerge(int Left, int Right, int Id);
