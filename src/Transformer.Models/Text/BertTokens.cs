namespace Transformer.Models.Text;

/// <summary>Ids of the tokens that BERT's texts are built with.</summary>
/// <param name="Pad">Fills texts up.</param>
/// <param name="Unknown">Stands for words not known.</param>
/// <param name="Class">[CLS], which opens every text.</param>
/// <param name="Separator">[SEP], which ends every segment.</param>
/// <param name="Mask">[MASK], which stands for a token to guess.</param>
/// <remarks>Devlin et al. 2018, §3: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].</remarks>
public sealed record BertTokens(int Pad, int Unknown, int Class, int Separator, int Mask)
{
    /// <summary>Name of the token that opens every text.</summary>
    public const string ClassName = "[CLS]";

    /// <summary>Name of the token that ends every segment.</summary>
    public const string SeparatorName = "[SEP]";

    /// <summary>Name of the token that stands for one to guess.</summary>
    public const string MaskName = "[MASK]";

    /// <summary>Name of the padding token, where a tokenizer has none of its own.</summary>
    public const string PadName = "[PAD]";

    /// <summary>The three names that a tokenizer must have.</summary>
    public static IReadOnlyList<string> Names { get; } = [ClassName, SeparatorName, MaskName];

    /// <summary>Finds the ids in a tokenizer.</summary>
    /// <exception cref="ArgumentException">It lacks one of the tokens; the message names it.
    /// </exception>
    public static BertTokens Of(ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(
            Has(tokenizer, PadName) ? tokenizer.Id(PadName) : tokenizer.Special.Pad,
            tokenizer.Special.Unknown, Find(tokenizer, ClassName),
            Find(tokenizer, SeparatorName), Find(tokenizer, MaskName));
    }

    /// <summary>Whether an id stands for no text.</summary>
    public bool IsSpecial(int id) =>
        id == Pad || id == Unknown || id == Class || id == Separator || id == Mask;

    /// <summary>Tokens of one text, or of two, between the special ones.</summary>
    /// <param name="first">A.</param>
    /// <param name="second">B; null: there is one text.</param>
    /// <returns>Ids, and 0 for each token up to A's separator, 1 after it.</returns>
    public (int[] Ids, int[] Segments) Join(ReadOnlySpan<int> first, int[]? second = null)
    {
        int[] ids = second is null
            ? [Class, .. first, Separator]
            : [Class, .. first, Separator, .. second, Separator];
        int[] segments = new int[ids.Length];
        segments.AsSpan(first.Length + 2).Fill(1);
        return (ids, segments);
    }

    private static int Find(ITokenizer tokenizer, string name) => Has(tokenizer, name)
        ? tokenizer.Id(name)
        : throw new ArgumentException($"BertTokens: the tokenizer has no token '{name}'; BERT " +
            $"needs {string.Join(", ", Names)}. Use a tokenizer made for it.");

    private static bool Has(ITokenizer tokenizer, string name) =>
        tokenizer.Token(tokenizer.Id(name)) == name;
}
