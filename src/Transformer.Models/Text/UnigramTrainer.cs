using System.Runtime.InteropServices;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Learns the pieces of a unigram model and their probabilities.</summary>
/// <remarks>Kudo, "Subword Regularization" (2018), §3.2, with the details of SentencePiece: from
/// frequent substrings, rounds of expectation and maximisation (Bayesian: digamma of the
/// counts), then the pieces whose loss would cost the likelihood least are dropped, and so on.
/// The result depends on the counts of words alone, neither on the order of the text nor on the
/// number of threads: sums are taken in fixed parts.</remarks>
internal sealed class UnigramTrainer
{
    private const double LeastExpected = 0.5;

    // Pruning ends a little above the size asked for; the rest goes by probability.
    private const double Surplus = 1.1;
    private const int Parts = 8;

    private readonly UnigramOptions _options;
    private readonly (string Word, long Count)[] _words;
    private readonly CancellationToken _cancellation;
    private readonly UnigramSeed _seed;
    private List<(string Piece, double Score)> _pieces;

    /// <param name="counts">Words, each with its mark, and how often they occur.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="cancellation">Stops the training.</param>
    public UnigramTrainer(
        Dictionary<string, long> counts, UnigramOptions options, CancellationToken cancellation)
    {
        _options = options;
        _cancellation = cancellation;
        _words = Cover(counts, options.CharacterCoverage);
        _seed = new(_words);
        List<(string Piece, double Count)> seed =
            _seed.Find(options.SeedSize, options.LongestPiece);
        double total = Math.Log(seed.Sum(entry => entry.Count));
        _pieces = [.. seed.Select(entry => (entry.Piece, Math.Log(entry.Count) - total))];
    }

    /// <summary>Number of distinct characters, all of which are kept.</summary>
    public int Alphabet => _seed.Characters.Count;

    /// <summary>Pieces with log probabilities, the most probable first.</summary>
    public List<(string Piece, double Score)> Run(IProgress<double>? progress)
    {
        int size = _options.VocabularySize - _options.Reserved;
        int surplus = (int)(size * Surplus);
        double begin = Math.Log(Math.Max(_pieces.Count, surplus + 1));
        while (true)
        {
            for (int round = 0; round < _options.Rounds; round++) Maximise(Expect());
            progress?.Report(Math.Clamp(
                (begin - Math.Log(_pieces.Count)) / (begin - Math.Log(surplus)), 0, 1));
            if (_pieces.Count <= surplus) break;
            int before = _pieces.Count;
            _pieces = UnigramPruning.Prune(
                _pieces, _words, Math.Max(surplus, (int)(_options.Shrinking * before)));
            if (_pieces.Count == before) break;
        }
        progress?.Report(1);
        return Finish(size);
    }

    /// <summary>Words without the rarest characters, which cut them.</summary>
    private static (string Word, long Count)[] Cover(
        Dictionary<string, long> counts, double coverage)
    {
        Dictionary<Rune, long> characters = [];
        foreach ((string word, long count) in counts)
        {
            foreach (Rune rune in word.EnumerateRunes())
                CollectionsMarshal.GetValueRefOrAddDefault(characters, rune, out _) += count;
        }
        double wanted = characters.Values.Sum() * coverage;
        HashSet<Rune> kept = [];
        foreach ((Rune rune, long count) in characters
            .OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key))
        {
            if (wanted <= 0) break;
            kept.Add(rune);
            wanted -= count;
        }
        Dictionary<string, long> covered = new(StringComparer.Ordinal);
        StringBuilder part = new();
        foreach ((string word, long count) in counts)
        {
            foreach (Rune rune in word.EnumerateRunes())
            {
                if (kept.Contains(rune)) part.Append(rune.ToString());
                else Flush(count);
            }
            Flush(count);
        }
        return [.. covered.OrderBy(entry => entry.Key, StringComparer.Ordinal)
            .Select(entry => (entry.Key, entry.Value))];

        void Flush(long count)
        {
            if (part.Length == 0) return;
            CollectionsMarshal.GetValueRefOrAddDefault(covered, part.ToString(), out _) += count;
            part.Clear();
        }
    }

    private double[] Expect()
    {
        UnigramModel model = UnigramPruning.Model(_pieces);
        double[][] sums = new double[Parts][];
        Parallel.For(0, Parts, new() { CancellationToken = _cancellation }, part =>
        {
            double[] sum = new double[_pieces.Count];
            for (int i = part; i < _words.Length; i += Parts)
            {
                _cancellation.ThrowIfCancellationRequested();
                _ = model.AddExpected(_words[i].Word, _words[i].Count, sum);
            }
            sums[part] = sum;
        });
        double[] counts = sums[0];
        for (int part = 1; part < Parts; part++)
        {
            for (int i = 0; i < counts.Length; i++) counts[i] += sums[part][i];
        }
        return counts;
    }

    private void Maximise(double[] counts)
    {
        double total = Digamma(counts.Where(count => count >= LeastExpected).Sum());
        List<(string, double)> pieces = new(_pieces.Count);
        for (int i = 0; i < counts.Length; i++)
        {
            if (counts[i] >= LeastExpected)
                pieces.Add((_pieces[i].Piece, Digamma(counts[i]) - total));
        }
        _pieces = pieces;
    }

    /// <summary>All characters, then the most probable pieces, up to a size.</summary>
    private List<(string Piece, double Score)> Finish(int size)
    {
        Dictionary<string, double> scores = _pieces.ToDictionary(
            entry => entry.Piece, entry => entry.Score, StringComparer.Ordinal);
        double least = _pieces.Count == 0 ? 0 : _pieces.Min(entry => entry.Score);
        List<(string Piece, double Score)> kept = [];
        // Characters that no cut used come last, the rarest least.
        foreach ((Rune rune, long count) in _seed.Characters
            .OrderByDescending(entry => entry.Value).ThenBy(entry => entry.Key))
        {
            string piece = rune.ToString();
            if (!scores.Remove(piece, out double score)) score = least -= 1e-4;
            kept.Add((piece, score));
        }
        kept.AddRange(scores
            .OrderByDescending(entry => entry.Value)
            .ThenBy(entry => entry.Key, StringComparer.Ordinal)
            .Take(Math.Max(0, size - kept.Count))
            .Select(entry => (entry.Key, entry.Value)));
        return [.. kept.OrderByDescending(entry => entry.Score)
            .ThenBy(entry => entry.Piece, StringComparer.Ordinal)];
    }

    /// <summary>Derivative of ln Γ, for x above 0: recurrence up to 6, then the asymptotic
    /// series (Abramowitz and Stegun 6.3.5, 6.3.18).</summary>
    internal static double Digamma(double x)
    {
        double result = 0;
        for (; x < 6; x++) result -= 1 / x;
        double square = 1 / (x * x);
        return result + Math.Log(x) - (0.5 / x) - (square * ((1.0 / 12) - (square * ((1.0 / 120) -
            (square * ((1.0 / 252) - (square * ((1.0 / 240) - (square / 132)))))))));
    }
}
