namespace Transformer.Models.Generation;

/// <summary>
/// Keeps the K most likely unfinished hypotheses of each sentence and collects those that end.
/// </summary>
/// <remarks>
/// <para>A hypothesis Y scores log P(Y | X) / lp(Y), lp(Y) = ((5 + |Y|) / 6)^α, |Y| its tokens
/// with the end token (Wu et al. 2016, eq. 14, without the coverage term).</para>
/// <para>Each step ranks the 2K likeliest continuations. One that ends counts if it is among the
/// first K; the first K that go on are kept. Equal log-probabilities are ranked by row, then by
/// logit, then by token id, so the result is deterministic, and K = 1 is greedy search.</para>
/// <para>A sentence is done when K hypotheses have ended; when none goes on; at its length limit;
/// or when log P / lp(limit) of the best that goes on is no better than the best ended score:
/// log P only falls, so no continuation can win. Hypotheses cut off by the limit count only where
/// none ended.</para>
/// </remarks>
internal sealed class BeamSearch
{
    private readonly IStepDecoder decoder;
    private readonly SearchTokens special;
    private readonly int beam;
    private readonly double alpha;
    private readonly Candidate[] candidates;
    private readonly int[] top;
    private readonly int[] parents;
    private readonly int[] tokens;
    private readonly double[] logProbabilities;
    private readonly double[] next;
    private readonly List<int[]> tokenHistory = [];
    private readonly List<int[]> parentHistory = [];

    private readonly record struct Candidate(double LogProbability, int Row, int Rank, int Token)
        : IComparable<Candidate>
    {
        public int CompareTo(Candidate other)
        {
            int order = other.LogProbability.CompareTo(LogProbability);
            if (order == 0) order = Row.CompareTo(other.Row);
            return order == 0 ? Rank.CompareTo(other.Rank) : order;
        }
    }

    private sealed class Sentence
    {
        public int Live { get; set; } = 1;

        public List<BeamHypothesis> Ended { get; } = [];

        public double BestScore { get; set; } = double.NegativeInfinity;
    }

    /// <summary>Prepares a search; <see cref="Run"/> it once.</summary>
    /// <param name="decoder">Has K rows a sentence, one sentence after the other.</param>
    /// <param name="special">Begin, end, padding.</param>
    /// <param name="sentences">Sentences searched together.</param>
    /// <param name="options">K and α.</param>
    public BeamSearch(
        IStepDecoder decoder, SearchTokens special, int sentences, GenerationOptions options)
    {
        this.decoder = decoder;
        this.special = special;
        beam = options.BeamSize;
        alpha = options.LengthPenalty;
        top = new int[Math.Min(2 * beam, decoder.Vocabulary)];
        candidates = new Candidate[beam * top.Length];
        parents = new int[sentences * beam];
        tokens = new int[sentences * beam];
        logProbabilities = new double[sentences * beam];
        next = new double[beam];
    }

    /// <summary>Searches until every sentence is done.</summary>
    /// <param name="limits">[sentences]: most tokens of each, end token included.</param>
    /// <returns>Results [sentences].</returns>
    public BeamResult[] Run(ReadOnlySpan<int> limits)
    {
        Sentence[] sentences = new Sentence[limits.Length];
        for (int i = 0; i < sentences.Length; i++) sentences[i] = new();
        for (int row = 0; row < parents.Length; row++) parents[row] = row;
        Array.Fill(tokens, special.Bos);
        int open = sentences.Length;
        for (int length = 1; open > 0; length++)
        {
            ReadOnlySpan<float> logits = decoder.Step(parents, tokens);
            for (int i = 0; i < sentences.Length; i++)
            {
                if (sentences[i].Live == 0) continue;
                Advance(sentences[i], i * beam, logits, length);
                if (!IsDone(sentences[i], i * beam, length, limits[i])) continue;
                if (sentences[i].Ended.Count == 0) EndAll(sentences[i], i * beam, length);
                sentences[i].Live = 0;
                open--;
            }

            tokenHistory.Add([.. tokens]);
            parentHistory.Add([.. parents]);
        }

        return Array.ConvertAll(sentences, Rank);
    }

    /// <summary>Chooses what the rows of one sentence go on with.</summary>
    private void Advance(Sentence sentence, int start, ReadOnlySpan<float> logits, int length)
    {
        int count = Collect(sentence.Live, start, logits);
        candidates.AsSpan(0, count).Sort();
        int live = 0;
        for (int i = 0; i < Math.Min(count, 2 * beam) && live < beam; i++)
        {
            Candidate candidate = candidates[i];
            if (candidate.Token == special.Eos)
            {
                if (i < beam) End(sentence, candidate.Row, candidate.LogProbability, length);
                continue;
            }

            parents[start + live] = candidate.Row;
            tokens[start + live] = candidate.Token;
            next[live++] = candidate.LogProbability;
        }

        next.AsSpan(0, live).CopyTo(logProbabilities.AsSpan(start));
        sentence.Live = live;
        for (int row = start + live; row < start + beam; row++)
        {
            parents[row] = row;
            tokens[row] = special.Eos;
        }
    }

    private int Collect(int live, int start, ReadOnlySpan<float> logits)
    {
        int count = 0, vocabulary = decoder.Vocabulary;
        for (int row = start; row < start + live; row++)
        {
            ReadOnlySpan<float> values = logits.Slice(row * vocabulary, vocabulary);
            double normaliser = TopTokens.LogSumExp(values);
            int chosen = TopTokens.Select(values, special, top);
            for (int rank = 0; rank < chosen; rank++)
            {
                if (float.IsNegativeInfinity(values[top[rank]])) break;
                double logProbability =
                    logProbabilities[row] + (values[top[rank]] - normaliser);
                candidates[count++] = new(logProbability, row, rank, top[rank]);
            }
        }

        return count;
    }

    private bool IsDone(Sentence sentence, int start, int length, int limit)
    {
        if (sentence.Ended.Count >= beam || sentence.Live == 0 || length >= limit) return true;
        double bound = logProbabilities[start] / Penalty(limit);
        return bound <= sentence.BestScore;
    }

    private void EndAll(Sentence sentence, int start, int length)
    {
        for (int row = start; row < start + sentence.Live; row++)
        {
            int[] written = [.. Written(parents[row]), tokens[row]];
            Add(sentence, new(written, logProbabilities[row],
                logProbabilities[row] / Penalty(length), Ended: false));
        }
    }

    private void End(Sentence sentence, int row, double logProbability, int length) =>
        Add(sentence, new(
            Written(row), logProbability, logProbability / Penalty(length), Ended: true));

    private static void Add(Sentence sentence, BeamHypothesis hypothesis)
    {
        sentence.Ended.Add(hypothesis);
        sentence.BestScore = Math.Max(sentence.BestScore, hypothesis.Score);
    }

    /// <summary>Tokens that a row held before this step, followed back through its parents.
    /// </summary>
    private int[] Written(int row)
    {
        int[] written = new int[tokenHistory.Count];
        for (int step = written.Length - 1; step >= 0; step--)
        {
            written[step] = tokenHistory[step][row];
            row = parentHistory[step][row];
        }

        return written;
    }

    private double Penalty(int length) => Math.Pow((5.0 + length) / 6, alpha);

    private static BeamResult Rank(Sentence sentence) =>
        new([.. sentence.Ended.OrderByDescending(h => h.Score)]);
}
