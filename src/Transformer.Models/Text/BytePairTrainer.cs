using System.Runtime.InteropServices;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Learns merges: again and again the most frequent pair becomes one symbol.</summary>
/// <remarks>Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
/// Units" (2016). Only words that hold the merged pair are rewritten, and only the
/// counts that changed are touched. The result depends on the counts of words alone, not on
/// the order of the text.</remarks>
internal sealed class BytePairTrainer
{
    /// <summary>Longer runs without a break (encoded data, mostly) are counted in parts: every
    /// merge rewrites the whole word.</summary>
    private const int LongestWord = 256;

    private const int ProgressInterval = 16;

    private readonly List<string> _pieces;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<BytePairMerge> _merges = [];
    private readonly PairQueue _queue = new();
    private readonly Dictionary<ulong, long> _changes = [];
    private readonly int[][] _words;
    private readonly long[] _frequencies;
    private readonly int _firstId;
    private readonly string _continuation;
    private readonly bool[] _goes;
    private readonly bool[] _comes;

    /// <param name="alphabet">Symbols that pieces are made of.</param>
    /// <param name="words">Words as ids of symbols; at least one.</param>
    /// <param name="frequencies">Times that each word occurs.</param>
    /// <param name="firstId">Id of the first symbol; the others follow, then merged pieces.
    /// </param>
    /// <param name="continuation">What marks a piece within a word; a merged piece keeps that of
    /// its left part.</param>
    public BytePairTrainer(
        IEnumerable<string> alphabet, int[][] words, long[] frequencies, int firstId,
        string continuation = "")
    {
        _pieces = [.. alphabet];
        (_words, _frequencies, _firstId, _continuation) =
            (words, frequencies, firstId, continuation);
        for (int i = 0; i < _pieces.Count; i++) _ids.Add(_pieces[i], firstId + i);
        int longest = _words.Max(word => word.Length);
        (_goes, _comes) = (new bool[longest], new bool[longest]);
    }

    /// <summary>Pieces learnt, the alphabet first.</summary>
    public IReadOnlyList<string> Pieces => _pieces;

    /// <summary>Merges in the order learnt.</summary>
    public IReadOnlyList<BytePairMerge> Merges => _merges;

    /// <summary>A trainer over bytes, spelled in <see cref="ByteAlphabet"/>.</summary>
    /// <param name="frequencies">Times that each piece of text occurs; at least one piece.
    /// </param>
    /// <param name="firstId">Id of byte 0.</param>
    public static BytePairTrainer OverBytes(
        IReadOnlyDictionary<string, long> frequencies, int firstId) => new(
        Enumerable.Range(0, 256).Select(b => $"{ByteAlphabet.ToChar((byte)b)}"),
        [.. frequencies.Keys.Select(
            word => Encoding.UTF8.GetBytes(word).Select(b => firstId + b).ToArray())],
        [.. frequencies.Values], firstId);

    /// <summary>Counts the pieces that <see cref="ByteLevelSplitter"/> cuts lines into.</summary>
    public static Dictionary<string, long> Count(
        IEnumerable<string> lines, Func<string, string> prepare)
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (string line in lines)
        {
            foreach (ReadOnlySpan<char> piece in new ByteLevelSplitter(prepare(line)))
            {
                ReadOnlySpan<char> rest = piece;
                while (!rest.IsEmpty)
                {
                    int length = Math.Min(rest.Length, LongestWord);
                    if (length < rest.Length && char.IsHighSurrogate(rest[length - 1])) length--;
                    CollectionsMarshal.GetValueRefOrAddDefault(bySpan, rest[..length], out _)++;
                    rest = rest[length..];
                }
            }
        }
        return counts;
    }

    /// <summary>Merges until there are enough pieces or no pair is frequent enough.</summary>
    public void Run(
        int pieces, long minFrequency, IProgress<double>? progress, CancellationToken cancellation)
    {
        for (int word = 0; word < _words.Length; word++)
        {
            ReadOnlySpan<int> symbols = _words[word];
            for (int i = 0; i + 1 < symbols.Length; i++)
            {
                ulong key = PairQueue.Key(symbols[i], symbols[i + 1]);
                CollectionsMarshal.GetValueRefOrAddDefault(_changes, key, out _) +=
                    _frequencies[word];
                _queue.AddWord(key, word);
            }
        }
        ApplyChanges();

        while (_pieces.Count < pieces &&
            _queue.TryPeek(out ulong key, out long count, out List<int> words) &&
            count >= minFrequency)
        {
            cancellation.ThrowIfCancellationRequested();
            Merge((int)(key >> 32), (int)(uint)key, words);
            if (_merges.Count % ProgressInterval == 0)
                progress?.Report((double)_pieces.Count / pieces);
        }
        progress?.Report(1);
    }

    private void Merge(int left, int right, List<int> words)
    {
        string piece = _pieces[left - _firstId] +
            _pieces[right - _firstId][_continuation.Length..];
        // Two pairs may spell the same piece ("ab"+"c", "a"+"bc"): then it has one id.
        if (!_ids.TryGetValue(piece, out int merged))
        {
            merged = _firstId + _pieces.Count;
            _pieces.Add(piece);
            _ids.Add(piece, merged);
        }
        BytePairMerge merge = new(left, right, merged);
        _merges.Add(merge);
        foreach (int word in words) Rewrite(word, merge);
        ApplyChanges();
    }

    /// <summary>Merges a pair in one word and notes how the counts of pairs change: those of
    /// pairs that touch a merged place, before and after.</summary>
    private void Rewrite(int word, BytePairMerge merge)
    {
        int[] old = _words[word];
        Span<bool> goes = _goes.AsSpan(0, old.Length);
        Span<bool> comes = _comes.AsSpan(0, old.Length);
        int[] symbols = new int[old.Length];
        int length = 0;
        for (int i = 0; i < old.Length; i++, length++)
        {
            bool found = old[i] == merge.Left && i + 1 < old.Length && old[i + 1] == merge.Right;
            symbols[length] = found ? merge.Id : old[i];
            goes[i] = comes[length] = found;
            if (found) goes[++i] = true;
        }
        if (length == old.Length) return;

        long frequency = _frequencies[word];
        for (int i = 0; i + 1 < old.Length; i++)
        {
            if (goes[i] || goes[i + 1]) Change(old[i], old[i + 1], -frequency);
        }
        for (int i = 0; i + 1 < length; i++)
        {
            if (comes[i] || comes[i + 1])
                _queue.AddWord(Change(symbols[i], symbols[i + 1], frequency), word);
        }
        _words[word] = symbols[..length];
    }

    private ulong Change(int left, int right, long delta)
    {
        ulong key = PairQueue.Key(left, right);
        CollectionsMarshal.GetValueRefOrAddDefault(_changes, key, out _) += delta;
        return key;
    }

    private void ApplyChanges()
    {
        foreach ((ulong key, long delta) in _changes)
        {
            if (delta != 0) _queue.Add(key, delta);
        }
        _changes.Clear();
    }
}
