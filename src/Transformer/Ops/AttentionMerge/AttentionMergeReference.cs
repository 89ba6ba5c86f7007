using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Partial attention joined row by row.</summary>
/// <remarks>
/// Formula: M = max Lᵢ; wᵢ = exp(Lᵢ − M); output = Σ wᵢ·outputᵢ / Σ wᵢ; L = M + log Σ wᵢ.
/// Shapes: outputs [Parts, Rows, Dimension], logSumExps [Parts, Rows], output [Rows, Dimension],
/// logSumExp [Rows].
/// Work: one thread, parts in order.
/// Bytes: every part once.
/// Numerics: double; a part with Lᵢ = −∞ is skipped and may hold NaN.
/// Preconditions: a validated call.
/// Source: Milakov, Gimelshein 2018.
/// </remarks>
internal sealed class AttentionMergeReference : IKernel<AttentionMergeForward>
{
    public void Run(in AttentionMergeForward call)
    {
        if (call.Rows == 0) return;
        double[] sum = new double[call.Dimension];
        for (long row = 0; row < call.Rows; row++)
        {
            double maximum = double.NegativeInfinity;
            for (int part = 0; part < call.Parts; part++)
            {
                maximum = Math.Max(maximum, LogSumExp(call, part, row));
            }

            Array.Clear(sum);
            double total = 0;
            for (int part = 0; part < call.Parts; part++)
            {
                double logSumExp = LogSumExp(call, part, row);
                if (double.IsNegativeInfinity(logSumExp)) continue;
                double weight = Math.Exp(logSumExp - maximum);
                total += weight;
                long at = ((part * call.Rows) + row) * call.Dimension;
                for (int d = 0; d < call.Dimension; d++)
                {
                    sum[d] += weight * ReferenceBuffers.Get(call.Outputs, at + d);
                }
            }

            bool blind = double.IsNegativeInfinity(maximum);
            for (int d = 0; d < call.Dimension; d++)
            {
                ReferenceBuffers.Set(
                    call.Output, (row * call.Dimension) + d, blind ? 0 : sum[d] / total);
            }

            if (call.LogSumExp.IsAbsent) continue;
            ReferenceBuffers.Set(
                call.LogSumExp, row, blind ? maximum : maximum + Math.Log(total));
        }
    }

    private static double LogSumExp(in AttentionMergeForward call, int part, long row) =>
        ReferenceBuffers.Get(call.LogSumExps, (part * call.Rows) + row);
}
