using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>One draw a row from the softmax of its logits, cut by top-k and top-p.</summary>
/// <remarks>
/// Formula: wₜ = exp((xₜ − m)/temperature) of the tokens left, m the row's maximum; the token is
/// the first t with Σ_{i ≤ t} wᵢ &gt; u·Σ wᵢ.
/// Shapes: logits [Rows, Vocabulary]; tokens [Rows].
/// Work: one thread; every row is sorted as a whole.
/// Bytes: logits read once.
/// Numerics: double. Sums by falling logit for top-p, by rising token for the draw.
/// Preconditions: a validated call.
/// Source: Fan, Lewis, Dauphin 2018 (top-k); Holtzman et al. 2020 (top-p).
/// </remarks>
internal sealed unsafe class SamplingReference : IKernel<SamplingForward>
{
    public void Run(in SamplingForward call)
    {
        if (call.Rows == 0) return;
        double[] row = new double[call.Vocabulary];
        for (int r = 0; r < call.Rows; r++)
        {
            for (int i = 0; i < row.Length; i++)
                row[i] = ReferenceBuffers.Get(call.Logits, ((long)r * row.Length) + i);
            call.Tokens.Pointer<int>()[r] = Draw(call, row, call.Unit(r));
        }
    }

    private static int Draw(in SamplingForward call, double[] row, double unit)
    {
        int[] order = TopKReference.Descending(row);
        double maximum = row[order[0]];
        if (!double.IsFinite(maximum)) return -1;
        if (call.EffectiveTemperature == 0) return order[0];
        double temperature = call.EffectiveTemperature;
        double[] weights = [.. row.Select(x => Math.Exp((x - maximum) / temperature))];
        int left = Cut(weights, order, call.EffectiveTopK, call.EffectiveTopP);
        foreach (int token in order[left..]) weights[token] = 0;
        double target = unit * weights.Sum();
        int last = order[0];
        for (int token = 0; token < weights.Length; token++)
        {
            if (weights[token] == 0) continue;
            last = token;
            target -= weights[token];
            if (target < 0) break;
        }

        return last;
    }

    /// <summary>How many of the most likely tokens are left.</summary>
    private static int Cut(double[] weights, int[] order, int kept, double topP)
    {
        if (topP == 1) return kept;
        double enough = topP * order[..kept].Sum(token => weights[token]), sum = 0;
        int left = 0;
        while (left < kept && (sum < enough || left == 0)) sum += weights[order[left++]];
        return left;
    }
}
