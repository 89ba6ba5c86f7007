using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Attention and its gradients, one query row at a time.</summary>
/// <remarks>
/// Formula: s = scale·q·k; s ← c·tanh(s/c); s ← modifier(s); s ← s + bias − m·|p − j| + relative
/// bias, p = i + offset; s ← −∞ where hidden; P = softmax(s) with the sink in the denominator;
/// M = dropout's 0 or 1/(1 − p); output = (P ⊙ M)·V; lse = log(Σ e^s + e^sink). Backward:
/// dP = M ⊙ (dO·Vᵀ); dS = P ⊙ (dP − Σ P ⊙ dP); dV = (P ⊙ M)ᵀ·dO; dBias, d(relative table) += dS;
/// d(sink) −= e^(sink − lse)·Σ P ⊙ dP; dR = scale·dS ⊙ modifier' ⊙ (1 − tanh²); dQ = dR·K;
/// dK = dRᵀ·Q.
/// Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B, Hq, Sq,
/// Dv], each with its strides, packed or paged; lse [B, Hq, Sq]; scores [B, Hq, Sq, Skv] where
/// asked for.
/// Work: one thread; a row's Skv scores lie in a managed array.
/// Bytes: inputs are copied to double once; each row reads all keys and values of its head.
/// Numerics: double, the row's maximum subtracted, one rounding on writing; score modifiers compute
/// in binary32. Hidden keys (a bias of −∞ hides, too) are skipped, never multiplied by 0: they may
/// hold NaN. A row that sees no key gives zeros, lse −∞ and zero gradients. Backward computes P
/// anew from the scores, so that the rounding of stored outputs and lse does not enter.
/// Preconditions: a validated call; lengths, offsets or pages out of range are an
/// ArgumentException.
/// Source: Vaswani et al. 2017, eq. 1; Dao et al. 2022, appendix B.2; Press et al. 2022; Raffel et
/// al. 2020; Xiao et al. 2024 (sinks).
/// </remarks>
internal sealed partial class FusedAttentionReference : IKernel<AttentionForward>,
    IKernel<AttentionBackward>
{
    public bool Supports(in AttentionBackward call, out string? reason)
    {
        reason = AttentionProblem.NoDerivative(call.Inputs.Score) ??
            AttentionReferenceProblem.TooLarge(call.Inputs.Sizes);
        return reason is null;
    }

    public bool Supports(in AttentionForward call, out string? reason)
    {
        reason = AttentionReferenceProblem.TooLarge(call.Inputs.Sizes);
        return reason is null;
    }

    public void Run(in AttentionForward call)
    {
        if (call.Inputs.Sizes.Batch == 0 || call.Inputs.Sizes.QueryLength == 0) return;
        AttentionReferenceProblem problem = new(
            call.Inputs, writesKeys: false, call.ScoreOutput != ScoreOutput.None);
        AttentionSizes sizes = problem.Sizes;
        FillScores(call);
        double[] scores = new double[sizes.KeyLength];
        double[] output =
            new double[sizes.Batch * sizes.QueryHeads * sizes.QueryLength * sizes.ValueDimension];
        for (int b = 0; b < sizes.Batch; b++)
        for (int h = 0; h < sizes.QueryHeads; h++)
        for (int i = 0; i < problem.Sequences.Queries(b); i++)
        {
            long row = problem.QueryRow(b, h, i);
            problem.RawScores(b, h, i, scores);
            WriteScores(call, ScoreOutput.Raw, row, scores);
            problem.Cap(scores);
            WriteScores(call, ScoreOutput.Capped, row, scores);
            problem.Mask(b, h, i, scores);
            WriteScores(call, ScoreOutput.Masked, row, scores);
            double logSumExp = problem.Softmax(h, scores);
            WriteScores(call, ScoreOutput.Probabilities, row, scores);
            if (call.LogSumExp.IsPresent)
            {
                ReferenceBuffers.Set(
                    call.LogSumExp, problem.Sequences.RowIndex(b, h, i), logSumExp);
            }

            AddValues(problem, scores, b, h, i, output);
        }

        problem.ScatterQueries(output, call.Output, call.Inputs.EffectiveOutputStrides,
            sizes.ValueDimension);
    }

    // Rows of queries that no sequence has.
    private static void FillScores(in AttentionForward call)
    {
        double value = call.ScoreOutput == ScoreOutput.Masked ? double.NegativeInfinity : 0;
        for (long i = 0; call.Scores.IsPresent && i < call.Scores.Length; i++)
        {
            ReferenceBuffers.Set(call.Scores, i, value);
        }
    }

    private static void WriteScores(
        in AttentionForward call, ScoreOutput stage, long row, double[] scores)
    {
        if (call.ScoreOutput != stage) return;
        for (int j = 0; j < scores.Length; j++)
        {
            ReferenceBuffers.Set(call.Scores, (row * scores.Length) + j, scores[j]);
        }
    }

    private static void AddValues(
        AttentionReferenceProblem problem, double[] weights, int b, int h, int i, double[] output)
    {
        int dimension = problem.ValueDimension;
        int row = problem.QueryRow(b, h, i) * dimension;
        for (int j = 0; j < weights.Length; j++)
        {
            if (weights[j] == 0) continue;
            double weight = weights[j] * problem.Keep(b, h, i, j);
            if (weight == 0) continue;
            int value = problem.KeyRow(b, h, j) * dimension;
            for (int d = 0; d < dimension; d++)
            {
                output[row + d] += weight * problem.Value[value + d];
            }
        }
    }
}
