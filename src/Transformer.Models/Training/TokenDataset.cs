using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Transformer.Models.Training;

/// <summary>One long text as token ids. Immutable.</summary>
public sealed class TokenDataset
{
    private readonly int[] ids;

    /// <summary>Keeps a copy of the ids.</summary>
    /// <param name="ids">Two or more: the first one is read only.</param>
    /// <exception cref="ArgumentException">There are fewer.</exception>
    public TokenDataset(ReadOnlySpan<int> ids)
    {
        if (ids.Length < 2)
        {
            throw new ArgumentException($"TokenDataset: the text has {ids.Length} tokens; " +
                "expected 2 or more. Give more text.");
        }

        this.ids = ids.ToArray();
        Fingerprint = Convert.ToHexStringLower(
            SHA256.HashData(MemoryMarshal.AsBytes(ids)).AsSpan(0, 16));
    }

    /// <summary>The ids in order.</summary>
    public ReadOnlySpan<int> Ids => ids;

    /// <summary>Tokens.</summary>
    public int Count => ids.Length;

    /// <summary>32 hexadecimal digits that differ for another text; checkpoints store it so that
    /// training does not go on with other data.</summary>
    public string Fingerprint { get; }

    /// <summary>Cuts off the end of a text to validate with.</summary>
    /// <param name="ids">All of the text.</param>
    /// <param name="share">Of the text, in (0, 1), that is kept for validation.</param>
    /// <returns>The beginning, and the rest.</returns>
    /// <exception cref="ArgumentException">A part would have fewer than two tokens.</exception>
    public static (TokenDataset Training, TokenDataset Validation) Split(
        ReadOnlySpan<int> ids, double share = 0.1)
    {
        int cut = (int)(ids.Length * (1 - share));
        return (new(ids[..cut]), new(ids[cut..]));
    }
}
