using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;

namespace Transformer.Models.Generation;

/// <summary>Picks the most likely tokens from a row of logits.</summary>
internal static class TopTokens
{
    private const int Block = 512;

    /// <summary>The allowed token with the largest logit, the lowest id among equals.</summary>
    /// <exception cref="ArithmeticException">A logit is NaN.</exception>
    public static int ArgMax(ReadOnlySpan<float> logits, SearchTokens special)
    {
        int first = Math.Min(special.Pad, special.Bos), second = Math.Max(special.Pad, special.Bos);
        int best = Better(logits, 0, first, -1);
        best = Better(logits, first + 1, second, best);
        return Better(logits, second + 1, logits.Length, best);
    }

    /// <summary>The allowed tokens with the largest logits.</summary>
    /// <param name="logits">[V].</param>
    /// <param name="special">What is not allowed.</param>
    /// <param name="tokens">Receives ids by falling logit, the lower id first among equals.
    /// </param>
    /// <returns>Ids written: the span's length, or fewer where the vocabulary is small.</returns>
    public static int Select(
        ReadOnlySpan<float> logits, SearchTokens special, Span<int> tokens)
    {
        int count = 0;
        float worst = float.NegativeInfinity;
        for (int token = 0; token < logits.Length; token++)
        {
            float logit = logits[token];
            if ((count == tokens.Length && !(logit > worst)) || !special.Allows(token)) continue;
            int place = count < tokens.Length ? count++ : count - 1;
            for (; place > 0 && logits[tokens[place - 1]] < logit; place--)
                tokens[place] = tokens[place - 1];
            tokens[place] = token;
            worst = logits[tokens[count - 1]];
        }

        return count;
    }

    /// <summary>log Σ exp(logits), summed in double.</summary>
    /// <exception cref="ArithmeticException">A logit is NaN or +∞.</exception>
    public static double LogSumExp(ReadOnlySpan<float> logits)
    {
        float max = TensorPrimitives.Max(logits);
        if (!float.IsFinite(max)) ThrowNotFinite();
        Span<float> scratch = stackalloc float[Block];
        double sum = 0;
        for (int start = 0; start < logits.Length; start += Block)
        {
            ReadOnlySpan<float> block = logits[start..Math.Min(start + Block, logits.Length)];
            Span<float> values = scratch[..block.Length];
            TensorPrimitives.Subtract(block, max, values);
            TensorPrimitives.Exp(values, values);
            sum += TensorPrimitives.Sum<float>(values);
        }

        return max + Math.Log(sum);
    }

    private static int Better(ReadOnlySpan<float> logits, int start, int end, int best)
    {
        if (start >= end) return best;
        int found = start + TensorPrimitives.IndexOfMax(logits[start..end]);
        if (float.IsNaN(logits[found])) ThrowNotFinite();
        return best < 0 || logits[found] > logits[best] ? found : best;
    }

    /// <summary>Logits from which nothing can be chosen.</summary>
    /// <exception cref="ArithmeticException">Always.</exception>
    [DoesNotReturn]
    public static void ThrowNotFinite() => throw new ArithmeticException(
        "Generation: the model's logits are not finite. Its weights are damaged or training " +
        "diverged; use an earlier checkpoint.");
}
