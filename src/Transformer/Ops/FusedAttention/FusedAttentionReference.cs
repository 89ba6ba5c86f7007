using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Attention and its gradients, one query row at a time.</summary>
/// <remarks>
/// Formula: s = scale·q·k; s ← c·tanh(s/c); s ← s + bias; s ← −∞ where hidden; P = softmax(s);
/// output = P·V; lse = log Σ e^s. Backward: dP = dO·Vᵀ; dS = P ⊙ (dP − Σ P ⊙ dP); dV = Pᵀ·dO;
/// dBias += dS; dR = scale·dS ⊙ (1 − tanh²); dQ = dR·K; dK = dRᵀ·Q.
/// Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B, Hq, Sq,
/// Dv], each with its strides; lse [B, Hq, Sq]; scores [B, Hq, Sq, Skv] where asked for.
/// Work: one thread; a row's Skv scores lie in a managed array.
/// Bytes: inputs are copied to double once; each row reads all keys and values of its head.
/// Numerics: double, the row's maximum subtracted, one rounding on writing. Hidden keys (a bias of
/// −∞ hides, too) are skipped, never multiplied by 0: they may hold NaN. A row that sees no key
/// gives zeros, lse −∞ and zero gradients. Backward computes P anew from the scores, so that the
/// rounding of stored outputs and lse does not enter.
/// Preconditions: a validated call; a key length outside [0, Skv] is an ArgumentException.
/// Source: Vaswani et al. 2017, eq. 1; Dao et al. 2022, appendix B.2.
/// </remarks>
internal sealed partial class FusedAttentionReference : IKernel<AttentionForward>,
    IKernel<AttentionBackward>
{
    public void Run(in AttentionForward call)
    {
        AttentionSizes sizes = call.Inputs.Sizes;
        AttentionReferenceProblem problem = new(call.Inputs);
        double[] scores = new double[sizes.KeyLength];
        long row = 0;
        for (int b = 0; b < sizes.Batch; b++)
        {
            for (int h = 0; h < sizes.QueryHeads; h++)
            {
                for (int i = 0; i < sizes.QueryLength; i++, row++)
                {
                    problem.RawScores(b, h, i, scores);
                    WriteScores(call, ScoreOutput.Raw, row, scores);
                    problem.Cap(scores);
                    WriteScores(call, ScoreOutput.Capped, row, scores);
                    problem.Mask(b, h, i, scores);
                    WriteScores(call, ScoreOutput.Masked, row, scores);
                    double logSumExp = problem.Softmax(scores);
                    WriteScores(call, ScoreOutput.Probabilities, row, scores);
                    if (call.LogSumExp.IsPresent)
                    {
                        ReferenceBuffers.Set(call.LogSumExp, row, logSumExp);
                    }

                    WriteOutput(call, problem, scores, b, h, i);
                }
            }
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

    private static void WriteOutput(
        in AttentionForward call, AttentionReferenceProblem problem, double[] weights, int b,
        int h, int i)
    {
        AttentionStrides strides = call.Inputs.EffectiveOutputStrides;
        long output = AttentionReferenceProblem.At(strides, b, h, i);
        for (int d = 0; d < call.Inputs.Sizes.ValueDimension; d++)
        {
            double sum = 0;
            for (int j = 0; j < weights.Length; j++)
            {
                if (weights[j] == 0) continue;
                sum += weights[j] * problem.Value[problem.ValueAt(b, h, j) + d];
            }

            ReferenceBuffers.Set(call.Output, output + d, sum);
        }
    }
}
