using Transformer.Ops;

namespace Transformer.SamplePlugin;

/// <summary>softmax(scale·query·keyᵀ, over visible keys)·value over spans, one query at a time.
/// </summary>
/// <param name="slip">Keys that a causal query sees beyond the diagonal: 0 is right, 1 the classic
/// mistake.</param>
internal sealed class SampleAttention(int slip)
{
    public void Forward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        in AttentionSizes sizes, in AttentionOptions options, Span<float> output,
        Span<float> logSumExp)
    {
        AttentionSizes s = sizes;
        float[] weights = new float[s.KeyLength];
        for (int row = 0; row < s.Batch * s.QueryHeads * s.QueryLength; row++)
        {
            (int outer, int i) = Math.DivRem(row, s.QueryLength);
            (int batch, int head) = Math.DivRem(outer, s.QueryHeads);
            int shared = head / (s.QueryHeads / s.KeyValueHeads);
            int keys = ((batch * s.KeyValueHeads) + shared) * s.KeyLength;
            (int first, int end) = Visible(i, s, options);
            Span<float> result = output.Slice(row * s.ValueDimension, s.ValueDimension);
            result.Clear();
            Span<float> visible = weights.AsSpan(first, end - first);
            ReadOnlySpan<float> q = query.Slice(row * s.HeadDimension, s.HeadDimension);
            float logSum = Softmax(q, key[(keys * s.HeadDimension)..], first, options, visible);
            if (!logSumExp.IsEmpty) logSumExp[row] = logSum;
            for (int j = first; j < end; j++)
            {
                ReadOnlySpan<float> v = value.Slice((keys + j) * s.ValueDimension, result.Length);
                for (int c = 0; c < v.Length; c++) result[c] += weights[j] * v[c];
            }
        }
    }

    // Scores first, then the weights in their place; −∞ where there are none.
    private static float Softmax(
        ReadOnlySpan<float> query, ReadOnlySpan<float> keys, int first,
        in AttentionOptions options, Span<float> weights)
    {
        float scale = (float)options.EffectiveScale(query.Length);
        float cap = (float)options.SoftCap;
        float largest = float.NegativeInfinity;
        for (int j = 0; j < weights.Length; j++)
        {
            ReadOnlySpan<float> k = keys.Slice((first + j) * query.Length, query.Length);
            float score = 0;
            for (int c = 0; c < k.Length; c++) score += query[c] * k[c];
            score *= scale;
            weights[j] = cap == 0 ? score : cap * MathF.Tanh(score / cap);
            largest = Math.Max(largest, weights[j]);
        }

        float sum = 0;
        foreach (ref float weight in weights) sum += weight = MathF.Exp(weight - largest);
        foreach (ref float weight in weights) weight /= sum;
        return weights.IsEmpty ? float.NegativeInfinity : largest + MathF.Log(sum);
    }

    // The keys [First, End) that query i sees; possibly none.
    private (int First, int End) Visible(int i, in AttentionSizes s, in AttentionOptions options)
    {
        int position = i + options.Causal switch
        {
            CausalAlignment.TopLeft => 0,
            CausalAlignment.BottomRight => s.KeyLength - s.QueryLength,
            _ => options.PastLength,
        };
        int first = 0, end = s.KeyLength;
        if (options.Causal != CausalAlignment.None) end = Math.Min(end, position + 1 + slip);
        if (options.Window is { Left: >= 0 and int left }) first = Math.Max(0, position - left);
        if (options.Window is { Right: >= 0 and int right })
            end = Math.Min(end, position + 1 + right);
        first = Math.Min(first, s.KeyLength);
        return (first, Math.Max(first, end));
    }
}
