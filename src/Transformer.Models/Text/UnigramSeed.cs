using System.Runtime.InteropServices;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Finds the pieces that a unigram model starts from: all characters, and the
/// substrings of words with the highest count times length.</summary>
internal sealed class UnigramSeed
{
    private readonly Rune[] _alphabet;
    private readonly int[] _text;
    private readonly long[] _weights;
    private readonly int[] _left;

    /// <param name="words">Words and how often they occur.</param>
    public UnigramSeed((string Word, long Count)[] words)
    {
        Dictionary<Rune, long> characters = [];
        foreach ((string word, long count) in words)
        {
            foreach (Rune rune in word.EnumerateRunes())
                CollectionsMarshal.GetValueRefOrAddDefault(characters, rune, out _) += count;
        }
        _alphabet = [.. characters.Keys.Order()];
        Characters = characters;
        Dictionary<Rune, int> symbols =
            _alphabet.Index().ToDictionary(entry => entry.Item, entry => entry.Index + 1);
        List<int> text = [];
        List<long> weights = [];
        foreach ((string word, long count) in words)
        {
            foreach (Rune rune in word.EnumerateRunes()) text.Add(symbols[rune]);
            text.Add(0);
            while (weights.Count < text.Count) weights.Add(count);
        }
        (_text, _weights) = ([.. text], [.. weights]);
        _left = new int[_text.Length];
        for (int i = _text.Length - 2; i >= 0; i--) _left[i] = _text[i] == 0 ? 0 : _left[i + 1] + 1;
    }

    /// <summary>Counts of single characters.</summary>
    public IReadOnlyDictionary<Rune, long> Characters { get; }

    /// <summary>Pieces with their counts: characters, then up to <paramref name="most"/>
    /// substrings of 2 to <paramref name="longest"/> code points.</summary>
    public List<(string Piece, double Count)> Find(int most, int longest)
    {
        List<(string Piece, double Count)> pieces =
            [.. _alphabet.Select(rune => (rune.ToString(), (double)Characters[rune]))];
        pieces.AddRange(Substrings(longest)
            .OrderByDescending(entry => entry.Count * entry.Length)
            .ThenBy(entry => entry.Rank)
            .Take(most)
            .Select(entry => (Spell(entry.Start, entry.Length), (double)entry.Count)));
        return pieces;
    }

    /// <summary>Each substring that occurs twice or more and cannot grow to the right without
    /// occurring less often: the inner nodes of the suffix tree, and the ends of words.</summary>
    private IEnumerable<(int Start, int Length, long Count, int Rank)> Substrings(int longest)
    {
        BoundedSuffixArray suffixes = new(_text, longest);
        (int[] order, int[] shared) = (suffixes.Order, suffixes.Shared);
        long[] before = new long[order.Length + 1];
        for (int i = 0; i < order.Length; i++)
            before[i + 1] = before[i] + (_text[order[i]] == 0 ? 0 : _weights[order[i]]);

        Stack<(int Length, int First)> open = [];
        for (int i = 1; i <= order.Length; i++)
        {
            // The suffix before: to the end of its word, if that is more than it shares.
            int leaf = Math.Min(_left[order[i - 1]], longest);
            if (leaf > 1 && leaf > shared[i] && leaf > shared[i - 1] &&
                _weights[order[i - 1]] > 1)
            {
                yield return (order[i - 1], leaf, _weights[order[i - 1]], i);
            }
            int first = i - 1;
            while (open.TryPeek(out (int Length, int First) top) && top.Length > shared[i])
            {
                open.Pop();
                first = top.First;
                long count = before[i] - before[first];
                if (top.Length > 1) yield return (order[first], top.Length, count, i);
            }
            if (shared[i] > 0 && (open.Count == 0 || open.Peek().Length < shared[i]))
                open.Push((shared[i], first));
        }
    }

    private string Spell(int start, int length)
    {
        StringBuilder piece = new(length);
        for (int i = start; i < start + length; i++)
            piece.Append(_alphabet[_text[i] - 1].ToString());
        return piece.ToString();
    }
}
