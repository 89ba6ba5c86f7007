using System.Runtime.InteropServices;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Learns WordPiece's pieces with the merges of byte-pair encoding over characters,
/// those within a word marked ##.</summary>
internal static class WordPieceTrainer
{
    /// <summary>Pieces learnt: characters that begin words, characters within words, merged
    /// pieces.</summary>
    public static IReadOnlyList<string> Learn(
        IEnumerable<string> lines, TextNormalizer normalizer, WordPieceOptions options,
        IProgress<double>? progress, CancellationToken cancellation)
    {
        Dictionary<string, long> counts = Count(lines, normalizer);
        if (counts.Count == 0)
        {
            throw new ArgumentException(
                "WordPieceTokenizer: the training text is empty; expected lines of text.");
        }
        HashSet<Rune> known = MostFrequent(counts, options.AlphabetSize);
        // A word with a character that is left out is unknown: nothing is learnt from it.
        (string Word, long Count)[] words = [.. counts
            .Where(entry => entry.Value > 0 && entry.Key.EnumerateRunes().All(known.Contains))
            .OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => (entry.Key, entry.Value))];
        SortedSet<Rune> first = [.. words.Select(entry => entry.Word.EnumerateRunes().First())];
        SortedSet<Rune> within =
            [.. words.SelectMany(entry => entry.Word.EnumerateRunes().Skip(1))];
        string[] alphabet =
        [
            .. first.Select(rune => rune.ToString()),
            .. within.Select(rune => WordPieceTokenizer.Continuation + rune),
        ];
        int specials = WordPieceTokenizer.SpecialNames.Count + options.MoreSpecialTokens.Count;
        int room = options.VocabularySize - specials;
        if (words.Length == 0 || alphabet.Length > room)
        {
            throw new ArgumentException(
                $"WordPieceTokenizer: 'VocabularySize' {options.VocabularySize} has room for " +
                $"{room} pieces; the text's characters need {alphabet.Length}. Raise it, or " +
                "lower 'AlphabetSize'.");
        }
        Dictionary<string, int> ids = alphabet.Index()
            .ToDictionary(entry => entry.Item, entry => specials + entry.Index);
        BytePairTrainer trainer = new(
            alphabet, [.. words.Select(entry => Symbols(entry.Word, ids))],
            [.. words.Select(entry => entry.Count)], specials, WordPieceTokenizer.Continuation);
        trainer.Run(room, options.MinFrequency, progress, cancellation);
        return trainer.Pieces;
    }

    private static Dictionary<string, long> Count(
        IEnumerable<string> lines, TextNormalizer normalizer)
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string line in lines)
        {
            BertSplitter words = new(normalizer.Apply(line, isTracked: false).Text);
            while (words.MoveNext())
            {
                if (words.Current.Length > WordPieceTokenizer.DefaultLongestWord) continue;
                CollectionsMarshal.GetValueRefOrAddDefault(bySpan, words.Current, out _)++;
            }
        }
        return counts;
    }

    private static HashSet<Rune> MostFrequent(Dictionary<string, long> words, int most)
    {
        Dictionary<Rune, long> counts = [];
        foreach ((string word, long count) in words)
        {
            foreach (Rune rune in word.EnumerateRunes())
                CollectionsMarshal.GetValueRefOrAddDefault(counts, rune, out _) += count;
        }
        return [.. counts.OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key)
            .Take(most).Select(entry => entry.Key)];
    }

    private static int[] Symbols(string word, Dictionary<string, int> ids) =>
        [.. word.EnumerateRunes().Select((rune, i) =>
            ids[i == 0 ? rune.ToString() : WordPieceTokenizer.Continuation + rune])];
}
