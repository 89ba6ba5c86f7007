using System.Numerics.Tensors;
using Transformer.Numerics;

namespace Transformer.Models.Generation;

/// <summary>Draws tokens from logits: temperature, then the k most likely, then the most likely
/// with probability p together. Token n depends on the logits, the options and n alone.</summary>
/// <remarks>Ties are broken by the lower id. Probabilities are summed in double, in the order of
/// ids, or by falling logit where p cuts.</remarks>
internal sealed class TokenSampler
{
    private const uint Stream = 0xFFFF_0005;

    private readonly SamplingOptions options;
    private readonly PriorityQueue<int, (float Logit, int Order)> best = new();
    private readonly float[] scaled;
    private readonly int[] candidates;
    private readonly double[] weights;

    /// <summary>Makes the memory for one row of logits.</summary>
    /// <param name="vocabulary">V.</param>
    /// <param name="options">Valid options.</param>
    public TokenSampler(int vocabulary, SamplingOptions options)
    {
        this.options = options;
        foreach (int token in options.Excluded)
        {
            if (token >= 0 && token < vocabulary) continue;
            throw new ArgumentException($"SamplingOptions: 'Excluded' has the token {token}; " +
                $"expected 0 to {vocabulary - 1}. Use the model's own tokenizer.");
        }

        if (options.Excluded.Distinct().Count() >= vocabulary)
        {
            throw new ArgumentException("SamplingOptions: 'Excluded' has every token; expected " +
                "at least one that is left.");
        }

        scaled = new float[vocabulary];
        candidates = new int[vocabulary];
        weights = new double[vocabulary];
    }

    /// <summary>Draws one token.</summary>
    /// <param name="logits">[V].</param>
    /// <param name="number">Number of the token drawn, from 0 on.</param>
    /// <exception cref="ArithmeticException">A logit is NaN or +∞.</exception>
    public int Next(ReadOnlySpan<float> logits, int number)
    {
        logits.CopyTo(scaled);
        foreach (int token in options.Excluded) scaled[token] = float.NegativeInfinity;
        int top = TensorPrimitives.IndexOfMax<float>(scaled);
        float max = scaled[top];
        if (!float.IsFinite(max)) TopTokens.ThrowNotFinite();
        if (options.Temperature == 0) return top;
        int count = TakeMostLikely();
        double total = Weigh(count, max);
        if (options.TopP < 1) (count, total) = CutTail(count, total);
        double unit = Philox.ToUnit(Philox.Word(options.Seed, Stream, 0, (ulong)number));
        double target = unit * total;
        for (int i = 0; i < count; i++)
        {
            target -= weights[i];
            if (target < 0) return candidates[i];
        }

        return candidates[LastPossible(count)];
    }

    /// <summary>Puts the k largest logits' ids, or all, into the candidates.</summary>
    private int TakeMostLikely()
    {
        int k = options.TopK;
        if (k == 0 || k >= scaled.Length)
        {
            for (int token = 0; token < scaled.Length; token++) candidates[token] = token;
            return scaled.Length;
        }

        // Among equal logits the highest id has the lowest priority value and goes first.
        best.Clear();
        for (int token = 0; token < scaled.Length; token++)
        {
            if (best.Count < k) best.Enqueue(token, (scaled[token], -token));
            else if (best.TryPeek(out _, out var worst) && scaled[token] > worst.Logit)
                best.DequeueEnqueue(token, (scaled[token], -token));
        }

        for (int i = 0; i < k; i++) candidates[i] = best.Dequeue();
        Array.Sort(candidates, 0, k);
        return k;
    }

    /// <summary>exp((logit − max) / temperature) of each candidate; returns the sum.</summary>
    private double Weigh(int count, float max)
    {
        double total = 0;
        for (int i = 0; i < count; i++)
        {
            weights[i] = Math.Exp((scaled[candidates[i]] - (double)max) / options.Temperature);
            total += weights[i];
        }

        return total;
    }

    /// <summary>Keeps the smallest set of most likely candidates with probability p or more.
    /// </summary>
    private (int Count, double Total) CutTail(int count, double total)
    {
        // All below this together have less than 1 − p: they are never needed, nor sorted.
        double least = (1 - options.TopP) * total / count;
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (weights[i] < least) continue;
            (weights[kept], candidates[kept]) = (-weights[i], candidates[i]);
            kept++;
        }

        SortByWeight(kept);
        double sum = 0;
        int taken = 0;
        while (taken < kept && sum < options.TopP * total)
        {
            weights[taken] = -weights[taken];
            sum += weights[taken++];
        }

        return (taken, sum);
    }

    /// <summary>By rising negative weight, equal ones by id.</summary>
    private void SortByWeight(int count)
    {
        Array.Sort(weights, candidates, 0, count);
        for (int start = 0; start < count;)
        {
            int end = start + 1;
            while (end < count && weights[end] == weights[start]) end++;
            if (end - start > 1) Array.Sort(candidates, start, end - start);
            start = end;
        }
    }

    /// <summary>The last candidate with a probability: rounding can leave a rest of the target.
    /// </summary>
    private int LastPossible(int count)
    {
        int last = count - 1;
        while (weights[last] == 0) last--;
        return last;
    }
}
