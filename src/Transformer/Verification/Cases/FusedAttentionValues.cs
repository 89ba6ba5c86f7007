using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>The numbers of an attention case's inputs.</summary>
internal static class FusedAttentionValues
{
    /// <summary>Query, key and value; NaN in keys and infinity in values that nobody sees or that
    /// belong to nobody.</summary>
    public static (double[] Query, double[] Key, double[] Value) Of(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs,
        FusedAttentionPlaces places, FusedAttentionVisibility visibility)
    {
        AttentionSizes s = spec.Sizes;
        AttentionStrides keys = inputs.EffectiveKeyStrides, values = inputs.EffectiveValueStrides;
        double[] query = memory.Normal("query", FusedAttentionPlaces.Extent(
            places.QueryExtent, s.QueryHeads, s.HeadDimension, inputs.EffectiveQueryStrides));
        double[] key = memory.Normal("key", FusedAttentionPlaces.Extent(
            places.KeyExtent, s.KeyValueHeads, s.HeadDimension, keys));
        double[] value = memory.Normal("value", FusedAttentionPlaces.Extent(
            places.KeyExtent, s.KeyValueHeads, s.ValueDimension, values));
        if (spec.LargeLogits)
        {
            // Multiples of 1/2 below 2¹²: products and their sums are exact in binary32.
            for (int i = 0; i < query.Length; i++) query[i] = Math.Round(query[i] * 2000) / 2;
            for (int i = 0; i < key.Length; i++) key[i] = Math.Round(key[i] * 16) / 2;
        }

        if (!spec.PlantsHidden) return (query, key, value);
        // Raw and capped scores are defined for hidden keys, too, and would be NaN by right.
        bool[] hidden = spec.Scores is ScoreOutput.Raw or ScoreOutput.Capped
            ? [] : visibility.HiddenKeys();
        return (query, Plant(key, double.NaN, keys, s.HeadDimension, spec, places, hidden),
            Plant(value, double.PositiveInfinity, values, s.ValueDimension, spec, places, hidden));
    }

    public static double[] Bias(CaseMemory memory, FusedAttentionSpec spec)
    {
        double[] bias = memory.Normal("bias", spec.BiasShape.Aggregate(1L, (a, b) => a * b));
        for (int i = 1; spec.BiasHasInfinity && i < bias.Length; i += 3)
        {
            bias[i] = double.NegativeInfinity;
        }

        return bias;
    }

    /// <summary>1/2, 1/4, 1/8, …: exact in every type.</summary>
    public static double[] Slopes(int heads) =>
        [.. Enumerable.Range(1, heads).Select(h => Math.Pow(2, -h))];

    public static double[] Sinks(CaseMemory memory, FusedAttentionSpec spec)
    {
        double[] sinks = memory.Normal("sinks", spec.Sizes.QueryHeads, mean: 1, deviation: 2);
        if (spec.SinksHaveInfinity) sinks[^1] = double.NegativeInfinity;
        return sinks;
    }

    /// <summary>One buffer [B, S, 3, H, D] of three whose strides are its own.</summary>
    public static double[] Interleave(
        double[] query, double[] key, double[] value, AttentionSizes s)
    {
        int model = Model(s);
        double[] packed = new double[(long)s.Batch * s.QueryLength * 3 * model];
        for (int i = 0; i < packed.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, 3 * model);
            (int part, int within) = Math.DivRem(column, model);
            double[] source = part switch { 0 => query, 1 => key, _ => value };
            packed[i] = source[(row * 3 * model) + within];
        }

        return packed;
    }

    public static int Model(AttentionSizes s) => s.QueryHeads * s.HeadDimension;

    private static double[] Plant(
        double[] numbers, double poison, AttentionStrides strides, int dimension,
        FusedAttentionSpec spec, FusedAttentionPlaces places, bool[] hidden)
    {
        AttentionSizes s = spec.Sizes;
        double[] planted = new double[numbers.Length];
        Array.Fill(planted, poison);
        for (int b = 0; b < s.Batch; b++)
        for (int h = 0; h < s.KeyValueHeads; h++)
        for (int j = 0; j < spec.StoredKeys(b); j++)
        {
            int row = (((b * s.KeyValueHeads) + h) * s.KeyLength) + j;
            if (hidden.Length > 0 && hidden[row]) continue;
            int at = (int)places.Key(strides, b, h, j);
            numbers.AsSpan(at, dimension).CopyTo(planted.AsSpan(at));
        }

        return planted;
    }
}
