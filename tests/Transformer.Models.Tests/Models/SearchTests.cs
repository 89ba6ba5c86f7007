using Transformer.Models.Generation;
using Transformer.Numerics;

namespace Transformer.Models.Tests.Models;

/// <summary>Greedy and beam search on models that are tables.</summary>
public sealed class SearchTests
{
    private const int Pad = 0, Bos = 1, Eos = 2, A = 3, B = 4, Vocabulary = 5;
    private static readonly SearchTokens Special = new(Pad, Bos, Eos);

    [Fact]
    public void Beam_FindsWhatGreedyMisses()
    {
        // A leads by a little, but only B is followed by a sure end: greedy takes A.
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) => prefix[^1] switch
        {
            Bos => Probabilities(eos: 0.02, a: 0.5, b: 0.48),
            A => Probabilities(eos: 0.34, a: 0.33, b: 0.33),
            _ => Probabilities(eos: 0.98, a: 0.01, b: 0.01),
        };

        int[] greedy = GreedySearch.Run(new TableDecoder(Vocabulary, 1, Logits), Special, [6])[0];
        BeamHypothesis best = Beam(Logits, beam: 2, alpha: 0, limit: 6).Best;
        Assert.Equal([A], greedy);
        Assert.Equal([B], best.Tokens);
        Assert.True(best.Ended);
        Assert.Equal(Math.Log(0.48 * 0.98), best.LogProbability, 6); // logits are floats
        Assert.True(best.LogProbability > Math.Log(0.5 * 0.34));
    }

    [Fact]
    public void Beam_ScoresWithTheLengthPenalty()
    {
        BeamHypothesis best = Beam(Random(3), beam: 3, alpha: 0.7, limit: 5).Best;
        int length = best.Tokens.Count + (best.Ended ? 1 : 0);
        Assert.Equal(
            best.LogProbability / Math.Pow((5.0 + length) / 6.0, 0.7), best.Score, 12);
    }

    [Fact]
    public void LengthPenalty_PrefersLongerSentences()
    {
        // Each token costs log 2: short sentences win without a penalty, long ones with α = 2.
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) =>
            Probabilities(eos: prefix.Count >= 5 ? 0.999 : 0.4, a: 0.6, b: 1e-6);

        Assert.Empty(Beam(Logits, beam: 32, alpha: 0, limit: 8).Best.Tokens);
        Assert.Equal([A, A, A, A], Beam(Logits, beam: 32, alpha: 3, limit: 8).Best.Tokens);
    }

    [Fact]
    public void BeamOfOne_IsGreedy()
    {
        for (uint seed = 0; seed < 50; seed++)
        {
            int[] limits = [4, 9, 1];
            int[][] greedy = GreedySearch.Run(
                new TableDecoder(Vocabulary, 1, Random(seed)), Special, limits);
            BeamResult[] beam = new BeamSearch(
                new TableDecoder(Vocabulary, 1, Random(seed)), Special, 3,
                new() { BeamSize = 1 }).Run(limits);
            for (int i = 0; i < 3; i++) Assert.Equal(greedy[i], beam[i].Best.Tokens);
        }
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.6)]
    [InlineData(1.5)]
    public void FullWidth_FindsTheBestOfAllSequences(double alpha)
    {
        const int limit = 4;
        for (uint seed = 0; seed < 40; seed++)
        {
            BeamHypothesis found = Beam(Random(seed), beam: 64, alpha, limit).Best;
            (List<int> tokens, double score) = BruteForce(Random(seed), alpha, limit);
            Assert.Equal(tokens, found.Tokens);
            Assert.Equal(score, found.Score, 5); // exp and sum of the search are in float
        }
    }

    [Fact]
    public void Ties_GoToTheLowerTokenAndRow()
    {
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) =>
            Probabilities(eos: prefix.Count == 3 ? 0.9 : 0.0001, a: 0.5, b: 0.5);

        BeamResult result = Beam(Logits, beam: 2, alpha: 0, limit: 6);
        Assert.Equal([A, A], result.Hypotheses[0].Tokens);
        Assert.Equal([A, B], result.Hypotheses[1].Tokens);
        Assert.Equal(result.Hypotheses[0].Score, result.Hypotheses[1].Score);
    }

    [Fact]
    public void Sentences_DoNotInfluenceEachOther()
    {
        Func<int, IReadOnlyList<int>, float[]> logits = Random(7);
        int[] limits = [3, 8, 5];
        BeamResult[] together = new BeamSearch(
            new TableDecoder(Vocabulary, 3, logits), Special, 3,
            new() { BeamSize = 3 }).Run(limits);
        for (int i = 0; i < 3; i++)
        {
            int sentence = i;
            BeamResult alone = new BeamSearch(
                new TableDecoder(Vocabulary, 3, (_, prefix) => logits(sentence, prefix)),
                Special, 1, new() { BeamSize = 3 }).Run([limits[i]])[0];
            Assert.Equal(
                alone.Hypotheses.Select(h => (string.Join(' ', h.Tokens), h.Score)),
                together[i].Hypotheses.Select(h => (string.Join(' ', h.Tokens), h.Score)));
        }
    }

    [Fact]
    public void WithoutAnEnd_TheLimitCuts()
    {
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) =>
            [9, 9, float.NegativeInfinity, 2, 1];

        BeamResult result = Beam(Logits, beam: 2, alpha: 0.6, limit: 3);
        Assert.Equal([A, A, A], result.Best.Tokens);
        Assert.All(result.Hypotheses, h => Assert.False(h.Ended));
        Assert.Equal([A, A, A], GreedySearch.Run(
            new TableDecoder(Vocabulary, 1, Logits), Special, [3])[0]);
    }

    [Fact]
    public void Beam_StopsWhenNoHypothesisCanWin()
    {
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) =>
            Probabilities(eos: 0.9, a: 0.06, b: 0.04);

        TableDecoder decoder = new(Vocabulary, 4, Logits);
        new BeamSearch(decoder, Special, 1, new() { BeamSize = 4 }).Run([100]);
        Assert.Equal(1, decoder.Steps);
    }

    [Fact]
    public void NaN_IsAnError()
    {
        static float[] Logits(int sentence, IReadOnlyList<int> prefix) =>
            [0, 0, 0, float.NaN, 0];

        Assert.Throws<ArithmeticException>(() => GreedySearch.Run(
            new TableDecoder(Vocabulary, 1, Logits), Special, [3]));
        Assert.Throws<ArithmeticException>(() => Beam(Logits, 2, 0, 3));
    }

    [Fact]
    public void Select_OrdersByLogitThenId()
    {
        float[] logits = new float[1000];
        for (int i = 0; i < logits.Length; i++)
            logits[i] = Philox.Word(5, 0, 0, (ulong)i) % 40;
        int[] expected =
        [
            .. Enumerable.Range(0, 1000).Where(Special.Allows)
                .OrderByDescending(i => logits[i]).ThenBy(i => i).Take(37),
        ];
        int[] tokens = new int[37];
        Assert.Equal(37, TopTokens.Select(logits, Special, tokens));
        Assert.Equal(expected, tokens);
        Assert.Equal(expected[0], TopTokens.ArgMax(logits, Special));
        double sum = logits.Sum(x => Math.Exp(x));
        Assert.Equal(Math.Log(sum), TopTokens.LogSumExp(logits), 5); // exp is in float
    }

    private static BeamResult Beam(
        Func<int, IReadOnlyList<int>, float[]> logits, int beam, double alpha, int limit) =>
        new BeamSearch(
            new TableDecoder(Vocabulary, beam, logits), Special, 1,
            new() { BeamSize = beam, LengthPenalty = alpha }).Run([limit])[0];

    private static float[] Probabilities(double eos, double a, double b) =>
        [-99, -99, (float)Math.Log(eos), (float)Math.Log(a), (float)Math.Log(b)];

    /// <summary>Logits in [−2, 2) that depend on seed, sentence and prefix.</summary>
    private static Func<int, IReadOnlyList<int>, float[]> Random(uint seed) =>
        (sentence, prefix) =>
        {
            ulong hash = (ulong)sentence + 1;
            foreach (int token in prefix) hash = (hash * 31) + (ulong)token;
            float[] logits = new float[Vocabulary];
            for (int i = 0; i < Vocabulary; i++)
                logits[i] = (float)((4 * Philox.ToUnit(Philox.Word(seed, 0, (uint)i, hash))) - 2);
            return logits;
        };

    /// <summary>The best sequence that ends within the limit, by trying them all.</summary>
    private static (List<int> Tokens, double Score) BruteForce(
        Func<int, IReadOnlyList<int>, float[]> logits, double alpha, int limit)
    {
        List<int> best = [];
        double bestScore = double.NegativeInfinity;
        Visit([Bos], 0);
        return (best, bestScore);

        void Visit(List<int> prefix, double logProbability)
        {
            float[] row = logits(0, prefix);
            double normaliser = Math.Log(row.Sum(x => Math.Exp(x)));
            double end = (logProbability + row[Eos] - normaliser) /
                Math.Pow((5.0 + prefix.Count) / 6.0, alpha);
            if (end > bestScore) (best, bestScore) = (prefix[1..], end);
            if (prefix.Count == limit) return;
            foreach (int token in (int[])[A, B])
                Visit([.. prefix, token], logProbability + row[token] - normaliser);
        }
    }
}
