namespace Transformer.Models.Text;

/// <summary>Finds which of a file's special tokens does what, by the names in use.</summary>
/// <remarks>Files that others wrote may lack a role. The beginning is then the padding token (T5
/// and Marian start with it) or, without one, the end; padding and unknown are the end (GPT-2
/// has that token alone).</remarks>
internal static class SpecialRoles
{
    /// <summary>GPT-2's one special token.</summary>
    public const string EndOfText = "<|endoftext|>";

    private static readonly string[] Pad = [SpecialTokens.PadName, "[PAD]", "<|pad|>"];
    private static readonly string[] Unknown = [SpecialTokens.UnknownName, "[UNK]"];
    private static readonly string[] Bos = [SpecialTokens.BosName, "<s>", "[CLS]", EndOfText];
    private static readonly string[] Eos = [SpecialTokens.EosName, "</s>", "[SEP]", EndOfText];

    /// <summary>Whether a name is one of those that files without a list of special tokens use.
    /// </summary>
    public static bool IsKnown(string name) =>
        Pad.Contains(name) || Unknown.Contains(name) || Bos.Contains(name) ||
        Eos.Contains(name) || name is "<mask>" or "[MASK]";

    /// <summary>The roles; null where no token ends a sequence.</summary>
    /// <param name="find">Id of a special token by name; null where there is none.</param>
    /// <param name="unknown">Name of the unknown token where the file states it.</param>
    public static SpecialTokens? Find(Func<string, int?> find, string? unknown = null)
    {
        if (First(Eos, find) is not { } eos) return null;
        int? pad = First(Pad, find);
        return new(
            pad ?? eos,
            (unknown is null ? null : find(unknown)) ?? First(Unknown, find) ?? eos,
            First(Bos, find) ?? pad ?? eos,
            eos);
    }

    /// <summary>What a file without an end is told.</summary>
    public static string Missing { get; } =
        $"has no special token that ends a sequence; expected one of {string.Join(' ', Eos)}.";

    private static int? First(string[] names, Func<string, int?> find)
    {
        foreach (string name in names)
        {
            if (find(name) is { } id) return id;
        }
        return null;
    }
}
