namespace Transformer.Models.Text;

/// <summary>Suffixes of words in order of their first symbols, and how many of those neighbours
/// share.</summary>
/// <remarks>Prefix doubling (Manber and Myers 1990) stopped at the longest length that matters:
/// log₂ of it rounds of sorting. Words end at symbol 0, which nothing is shared beyond.</remarks>
internal sealed class BoundedSuffixArray
{
    /// <param name="text">Symbols, 0 after each word.</param>
    /// <param name="most">Symbols that count.</param>
    public BoundedSuffixArray(int[] text, int most)
    {
        Order = [.. Enumerable.Range(0, text.Length)];
        int[] ranks = (int[])text.Clone();
        ulong[] keys = new ulong[text.Length];
        for (int length = 1; ; length *= 2)
        {
            for (int i = 0; i < keys.Length; i++)
            {
                int place = Order[i], second = place + length;
                keys[i] = ((ulong)ranks[place] << 32) |
                    (second < text.Length ? (uint)ranks[second] : 0u);
            }
            Array.Sort(keys, Order);
            int rank = 0;
            for (int i = 0; i < keys.Length; i++)
            {
                if (i > 0 && keys[i] != keys[i - 1]) rank = i;
                ranks[Order[i]] = rank;
            }
            if (length * 2 >= most) break;
        }
        Shared = new int[text.Length + 1];
        for (int i = 1; i < text.Length; i++)
            Shared[i] = Count(text, Order[i - 1], Order[i], most);
    }

    /// <summary>Beginnings of suffixes, in order.</summary>
    public int[] Order { get; }

    /// <summary>Symbols that suffix i shares with the one before it, up to the end of a word;
    /// 0 at both ends.</summary>
    public int[] Shared { get; }

    private static int Count(int[] text, int first, int second, int most)
    {
        int count = 0;
        while (count < most && first + count < text.Length && second + count < text.Length &&
            text[first + count] != 0 && text[first + count] == text[second + count])
        {
            count++;
        }
        return count;
    }
}
