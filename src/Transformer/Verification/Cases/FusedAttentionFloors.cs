using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Sizes below which errors of an attention case's outputs count absolutely
/// (<see cref="OutputRule.Floor"/>).</summary>
internal static class FusedAttentionFloors
{
    /// <summary>Of outputs: averages of values of order 1.</summary>
    public static double Output(FusedAttentionSpec spec) => spec.MayCancel ? 1 : 0;

    /// <summary>Of scores and their log-sum-exps: products, biases and distances.</summary>
    public static double Scores(FusedAttentionSpec spec) =>
        spec.MayCancel ? 1 + spec.ScoreDeviation + (spec.Alibi ? spec.Sizes.KeyLength : 0) : 0;

    /// <summary>Of the gradients of query, key and value.</summary>
    /// <remarks>
    /// Where one key is seen, or weights are one-hot, the gradients of the scores cancel to 0 from
    /// terms of order 1 (of the queries' size with large logits): their error counts against a
    /// tenth of that, times the scale, which queries and keys get. Or against all terms of a key
    /// that few others compete with: of every query weight times dO·V, times the scale.
    /// </remarks>
    public static double Gradients(FusedAttentionSpec spec)
    {
        if (spec.LargeLogits) return 100;
        if (!spec.MayCancel) return 0.1 * Math.Max(1, spec.ScoreDeviation);
        AttentionSizes s = spec.Sizes;
        double rows = (double)s.QueryHeads / s.KeyValueHeads * s.QueryLength;
        double scale = spec.Options.EffectiveScale(s.HeadDimension);
        return Kept(spec) * Math.Sqrt(Math.Max(1, rows)) *
            Math.Max(1, scale * Math.Sqrt(s.ValueDimension));
    }

    /// <summary>Of sums over all queries: the gradients of bias, relative bias and sinks.</summary>
    public static double Sums(FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        return spec.MayCancel ? Kept(spec) * Math.Sqrt(
            (double)s.Batch * s.QueryHeads * s.QueryLength * s.ValueDimension) : 0;
    }

    // What dropout multiplies the weights with that it keeps.
    private static double Kept(FusedAttentionSpec spec) =>
        1 / (1 - spec.Options.DropoutProbability);
}
