using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Online softmax over the rows of a few register blocks: m' = max(m, s), p = exp(s − m'),
/// l' = l·exp(m − m') + Σp (Milakov, Gimelshein 2018).
/// </summary>
/// <remarks>
/// A row's state: its running maximum, in an array, so that one vector operation serves many rows,
/// and the running sum as one vector of partial sums, added up at the end.
/// Many rows at once: each step waits for the one before, but not for other rows.
/// A row that has seen no key keeps maximum −∞ and sum 0.
/// </remarks>
internal static unsafe class AttentionSoftmax
{
    /// <summary>Floats of slack after the maxima and factors: the widest vector.</summary>
    public const int Slack = 16;

    /// <summary>The most rows of one call.</summary>
    public const int MaximumRows = 4 * AttentionMultiply.Rows;

    /// <summary>Scores to weights, in place, on columns [from, to).</summary>
    /// <param name="scores">[rows, stride].</param>
    /// <param name="stride">Floats from one row to the next.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="from">First column, a multiple of the width.</param>
    /// <param name="to">Column after the last, a multiple of the width.</param>
    /// <param name="maximum">[rows + Slack] running maxima; the slack is left as it is.</param>
    /// <param name="sums">[rows, W] running partial sums.</param>
    /// <param name="factors">[rows + Slack] receives exp(m − m'), which scales what was summed
    /// before.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Update<T>(
        float* scores, int stride, int rows, int from, int to, float* maximum, float* sums,
        float* factors)
        where T : struct, ISimdFloat<T>
    {
        float* bases = stackalloc float[MaximumRows + Slack];
        for (int row = 0; row < rows; row += 4)
        {
            // The last rows count twice where there are not four left.
            float* s0 = scores + (Math.Min(row, rows - 4) * stride);
            float* s1 = s0 + stride, s2 = s1 + stride, s3 = s2 + stride;
            T t0 = T.Load(s0 + from), t1 = T.Load(s1 + from);
            T t2 = T.Load(s2 + from), t3 = T.Load(s3 + from);
            for (int j = from + T.Width; j < to; j += T.Width)
            {
                t0 = T.Max(t0, T.Load(s0 + j));
                t1 = T.Max(t1, T.Load(s1 + j));
                t2 = T.Max(t2, T.Load(s2 + j));
                t3 = T.Max(t3, T.Load(s3 + j));
            }

            T.MaxAcross(t0, t1, t2, t3).Store(bases + Math.Min(row, rows - 4));
        }

        T none = T.Broadcast(float.NegativeInfinity);
        T.Store(none, bases + rows);
        for (int row = 0; row < rows; row += T.Width)
        {
            // A NaN score may lose here; it comes back as exp(NaN) below.
            T before = T.Load(maximum + row);
            T now = T.Max(T.Load(bases + row), before);
            // exp(−∞ − (−∞)) must be 1 or 0, not NaN: an unseen row subtracts 0.
            T safe = T.SelectEqual(now, none, T.Zero, now);
            T.Store(SimdMath.ExpNonPositive(before - safe), factors + row);
            T.Store(now, maximum + row);
            T.Store(safe, bases + row);
        }

        for (int row = 0; row < rows; row++)
        {
            float* s = scores + (row * stride);
            T shift = T.Broadcast(bases[row]);
            T sum = T.Load(sums + (row * T.Width)) * T.Broadcast(factors[row]);
            int j = from;
            for (; j + (4 * T.Width) <= to; j += 4 * T.Width)
            {
                T a = T.Load(s + j) - shift;
                T b = T.Load(s + j + T.Width) - shift;
                T c = T.Load(s + j + (2 * T.Width)) - shift;
                T d = T.Load(s + j + (3 * T.Width)) - shift;
                SimdMath.ExpNonPositive(ref a, ref b, ref c, ref d);
                T.Store(a, s + j);
                T.Store(b, s + j + T.Width);
                T.Store(c, s + j + (2 * T.Width));
                T.Store(d, s + j + (3 * T.Width));
                // One by one: sums then do not depend on where hidden columns begin and end.
                sum = sum + a + b + c + d;
            }

            for (; j < to; j += T.Width)
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
    /// <param name="logSumExp">Receives the natural log-sum-exp of the row, −∞ where it saw no
    /// key; may be null.</param>
    public static float Normalise(float maximum, float sum, float sink, float* logSumExp)
    {
        if (sum == 0)
        {
            if (logSumExp != null) *logSumExp = float.NegativeInfinity;
            return 0;
        }

        float factor = 1;
        if (!float.IsNegativeInfinity(sink))
        {
            float top = Math.Max(maximum, sink);
            factor = MathF.Exp(maximum - top);
            sum = (sum * factor) + MathF.Exp(sink - top);
            maximum = top;
        }

        if (logSumExp != null) *logSumExp = maximum + MathF.Log(sum);
        return factor / sum;
    }
}
