using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Transformer.Models.Text;

/// <summary>Corpus BLEU with sacreBLEU's defaults, so that scores compare with published ones.
/// </summary>
/// <remarks>
/// Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation" (2002), with
/// the settings that Post (2018) fixes: 13a tokenization, case kept, 1- to 4-grams, one reference,
/// exponential smoothing:
/// <code>
/// BLEU = BP · exp((ln p1 + ln p2 + ln p3 + ln p4) / 4)
/// BP   = 1 where hypotheses are at least as long as references, else exp(1 − ref / sys)
/// pn   = 100 · correct / total; where correct is 0, 100 / (2^k · total), k counting such n
/// </code>
/// No match at all, or a corpus without any 4-gram, scores 0.
/// </remarks>
public static class Bleu
{
    private const int MaxOrder = 4;

    /// <summary>Scores translations against one reference each.</summary>
    /// <param name="hypotheses">Translations [sentences], plain text.</param>
    /// <param name="references">What they should be [sentences], plain text.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The counts differ or are 0.</exception>
    public static BleuScore Corpus(
        IReadOnlyList<string> hypotheses, IReadOnlyList<string> references)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        ArgumentNullException.ThrowIfNull(references);
        if (hypotheses.Count != references.Count || hypotheses.Count == 0)
        {
            throw new ArgumentException(
                $"Bleu: {hypotheses.Count} hypotheses and {references.Count} references; " +
                "expected equal counts, at least 1.");
        }
        long[] correct = new long[MaxOrder];
        long[] total = new long[MaxOrder];
        long systemLength = 0;
        long referenceLength = 0;
        Dictionary<string, int> words = new(StringComparer.Ordinal);
        for (int i = 0; i < hypotheses.Count; i++)
        {
            int[] hypothesis = Number(Bleu13aTokenizer.Tokenize(hypotheses[i]), words);
            int[] reference = Number(Bleu13aTokenizer.Tokenize(references[i]), words);
            systemLength += hypothesis.Length;
            referenceLength += reference.Length;
            for (int order = 1; order <= MaxOrder; order++)
            {
                total[order - 1] += Math.Max(0, hypothesis.Length - order + 1);
                correct[order - 1] += Matches(hypothesis, reference, order);
            }
        }
        return FromCounts(correct, total, systemLength, referenceLength);
    }

    private static BleuScore FromCounts(
        long[] correct, long[] total, long systemLength, long referenceLength)
    {
        double penalty = systemLength >= referenceLength ? 1
            : systemLength == 0 ? 0
            : Math.Exp(1 - ((double)referenceLength / systemLength));
        double[] precisions = new double[MaxOrder];
        double score = 0;
        if (correct.Any(count => count > 0))
        {
            double smoothing = 1;
            double sum = 0;
            for (int n = 0; n < MaxOrder && total[n] > 0; n++)
            {
                if (correct[n] == 0) smoothing *= 2;
                precisions[n] = correct[n] == 0
                    ? 100 / (smoothing * total[n])
                    : 100.0 * correct[n] / total[n];
                sum += Math.Log(precisions[n]);
            }
            score = total[MaxOrder - 1] == 0 ? 0 : penalty * Math.Exp(sum / MaxOrder);
        }
        return new(score, precisions, correct, total, penalty, systemLength, referenceLength);
    }

    /// <summary>N-grams of the hypothesis found in the reference, each at most as often as
    /// there.</summary>
    private static long Matches(int[] hypothesis, int[] reference, int order)
    {
        Dictionary<NGram, int> available = [];
        for (int i = 0; i + order <= reference.Length; i++)
        {
            NGram gram = NGram.At(reference, i, order);
            CollectionsMarshal.GetValueRefOrAddDefault(available, gram, out _)++;
        }
        long matches = 0;
        for (int i = 0; i + order <= hypothesis.Length; i++)
        {
            ref int left = ref CollectionsMarshal.GetValueRefOrNullRef(
                available, NGram.At(hypothesis, i, order));
            if (Unsafe.IsNullRef(ref left) || left == 0) continue;
            left--;
            matches++;
        }
        return matches;
    }

    /// <summary>Numbers tokens from 1 up: 0 pads n-grams shorter than four.</summary>
    private static int[] Number(string[] tokens, Dictionary<string, int> words)
    {
        int[] numbers = new int[tokens.Length];
        for (int i = 0; i < numbers.Length; i++)
        {
            ref int number = ref CollectionsMarshal.GetValueRefOrAddDefault(
                words, tokens[i], out bool known);
            if (!known) number = words.Count;
            numbers[i] = number;
        }
        return numbers;
    }

    private readonly record struct NGram(int A, int B, int C, int D)
    {
        public static NGram At(int[] words, int start, int order) => new(
            words[start],
            order > 1 ? words[start + 1] : 0,
            order > 2 ? words[start + 2] : 0,
            order > 3 ? words[start + 3] : 0);
    }
}
