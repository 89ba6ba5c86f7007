using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Online softmax over six rows of scores: m' = max(m, s), p = exp(s − m'),
/// l' = l·exp(m − m') + Σp (Milakov, Gimelshein 2018).
/// </summary>
/// <remarks>
/// A row's state: the running maximum in an array of 16 (six used, so that one vector operation
/// serves all rows) and the running sum as one vector of partial sums, added up at the end.
/// A row that has seen no key keeps maximum −∞ and sum 0.
/// </remarks>
internal static unsafe class AttentionSoftmax
{
    /// <summary>Floats of the maxima and of the factors of six rows.</summary>
    public const int MaximumStride = 16;

    private const int Rows = AttentionMultiply.Rows;

    /// <summary>Scores to weights, in place, on columns [from, to).</summary>
    /// <param name="scores">[6, stride].</param>
    /// <param name="stride">Floats from one row to the next.</param>
    /// <param name="from">First column, a multiple of the width.</param>
    /// <param name="to">Column after the last, a multiple of the width.</param>
    /// <param name="maximum">[16] running maxima.</param>
    /// <param name="sums">[6, W] running partial sums.</param>
    /// <param name="factors">[16] receives exp(m − m'), which scales what was summed before.
    /// </param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Update<T>(
        float* scores, int stride, int from, int to, float* maximum, float* sums, float* factors)
        where T : struct, ISimdFloat<T>
    {
        float* bases = stackalloc float[MaximumStride];
        for (int row = 0; row < Rows; row++)
        {
            float* s = scores + (row * stride);
            T largest = T.Load(s + from);
            for (int j = from + T.Width; j < to; j += T.Width)
            {
                largest = T.Max(largest, T.Load(s + j));
            }

            // A NaN score loses here and comes back as exp(NaN) below.
            float top = T.MaxAcross(largest);
            bases[row] = top > maximum[row] ? top : maximum[row];
        }

        for (int row = 0; row < Rows; row += T.Width)
        {
            // exp(−∞ − (−∞)) must be 1 or 0, not NaN: an unseen row subtracts 0.
            T now = T.Load(bases + row);
            T safe = Finite(now);
            T.Store(SimdMath.ExpNonPositive(T.Load(maximum + row) - safe), factors + row);
            T.Store(now, maximum + row);
            T.Store(safe, bases + row);
        }

        for (int row = 0; row < Rows; row++)
        {
            float* s = scores + (row * stride);
            T shift = T.Broadcast(bases[row]);
            T sum = T.Load(sums + (row * T.Width)) * T.Broadcast(factors[row]);
            for (int j = from; j < to; j += T.Width)
            {
                T p = SimdMath.ExpNonPositive(T.Load(s + j) - shift);
                T.Store(p, s + j);
                sum += p;
            }

            T.Store(sum, sums + (row * T.Width));
        }
    }

    /// <summary>The running sum of a row.</summary>
    public static float Sum<T>(float* sums, int row) where T : struct, ISimdFloat<T> =>
        T.Sum(T.Load(sums + (row * T.Width)));

    /// <summary>What turns a row's sum of weighted values into its output: 1/sum, the sink's weight
    /// included, or 0 where the row saw no key.</summary>
    /// <param name="maximum">The row's largest score.</param>
    /// <param name="sum">Σ exp(s − maximum).</param>
    /// <param name="sink">Logit that joins the denominator; −∞ for none.</param>
    /// <param name="logSumExp">Natural log-sum-exp of the row; −∞ where it saw no key.</param>
    public static float Normalise(float maximum, float sum, float sink, out float logSumExp)
    {
        logSumExp = float.NegativeInfinity;
        if (sum == 0) return 0;
        float factor = 1;
        if (!float.IsNegativeInfinity(sink))
        {
            float top = Math.Max(maximum, sink);
            factor = MathF.Exp(maximum - top);
            sum = (sum * factor) + MathF.Exp(sink - top);
            maximum = top;
        }

        logSumExp = maximum + MathF.Log(sum);
        return factor / sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Finite<T>(T x) where T : struct, ISimdFloat<T> =>
        T.SelectEqual(x, T.Broadcast(float.NegativeInfinity), T.Zero, x);
}
