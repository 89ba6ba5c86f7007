namespace Transformer.Models.Text;

/// <summary>Ids of the four tokens that stand for no text.</summary>
/// <param name="Pad">Id of <c>&lt;pad&gt;</c>, which fills sentences up to batch length.</param>
/// <param name="Unknown">Id of <c>&lt;unk&gt;</c>, which stands for words not known.</param>
/// <param name="Bos">Id of <c>&lt;bos&gt;</c>, which opens a sequence.</param>
/// <param name="Eos">Id of <c>&lt;eos&gt;</c>, which ends a sequence.</param>
public sealed record SpecialTokens(int Pad, int Unknown, int Bos, int Eos)
{
    /// <summary>Name of the padding token.</summary>
    public const string PadName = "<pad>";

    /// <summary>Name of the token for unknown words.</summary>
    public const string UnknownName = "<unk>";

    /// <summary>Name of the token that opens a sequence.</summary>
    public const string BosName = "<bos>";

    /// <summary>Name of the token that ends a sequence.</summary>
    public const string EosName = "<eos>";

    /// <summary>The ids that training gives: 0, 1, 2, 3.</summary>
    public static SpecialTokens Default { get; } = new(0, 1, 2, 3);

    /// <summary>The four names in the order of <see cref="Default"/>'s ids.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [PadName, UnknownName, BosName, EosName];

    /// <summary>Requires more special tokens to be distinct names.</summary>
    internal static void CheckMore(
        string tokenizer, IReadOnlyList<string> more, params IEnumerable<string> others)
    {
        HashSet<string> names = [.. Names, .. others];
        foreach (string name in more)
        {
            if (!string.IsNullOrEmpty(name) && names.Add(name)) continue;
            throw new ArgumentException(
                $"{tokenizer}: 'MoreSpecialTokens' has '{name}', which is empty or there " +
                "already; expected new names.");
        }
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{PadName}={Pad} {UnknownName}={Unknown} {BosName}={Bos} {EosName}={Eos}";
}
