using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Argument checks that the attention calls share.</summary>
internal static class AttentionChecks
{
    private const string Op = "FusedAttention";

    // The smallest normal binary32 number: its reciprocal is finite.
    private const float SmallestCap = 1.17549435e-38f;

    public static void Inputs(in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        OpCheck.NotNegative(Op, "Batch", s.Batch);
        OpCheck.NotNegative(Op, "QueryLength", s.QueryLength);
        OpCheck.NotNegative(Op, "KeyLength", s.KeyLength);
        OpCheck.Positive(Op, "QueryHeads", s.QueryHeads);
        OpCheck.Positive(Op, "KeyValueHeads", s.KeyValueHeads);
        OpCheck.Positive(Op, "HeadDimension", s.HeadDimension);
        OpCheck.Positive(Op, "ValueDimension", s.ValueDimension);
        if (s.QueryHeads % s.KeyValueHeads != 0) ThrowHeads(s);
        AttentionLayoutChecks.Layout(inputs);
        StridedCheck.Read(Op, "query", inputs.Query, inputs.EffectiveQueryStrides,
            inputs.QueryExtent, s.QueryHeads, s.HeadDimension);
        StridedCheck.Read(Op, "key", inputs.Key, inputs.EffectiveKeyStrides, inputs.KeyExtent,
            s.KeyValueHeads, s.HeadDimension);
        StridedCheck.Read(Op, "value", inputs.Value, inputs.EffectiveValueStrides,
            inputs.KeyExtent, s.KeyValueHeads, s.ValueDimension);
        AttentionLayoutChecks.Broadcast("mask", inputs.Mask, inputs.MaskLayout, s);
        AttentionLayoutChecks.Broadcast("bias", inputs.Bias, inputs.BiasLayout, s);
        if (inputs.Mask.IsPresent && inputs.Mask.DType != DType.Bool)
        {
            OpCheck.Throw(Op, $"'mask' is {inputs.Mask.DType}; expected Bool, true = may " +
                "attend. Pass numbers to be added as 'bias'.");
        }

        OpCheck.IsFloat(Op, "bias", inputs.Bias);
        Options(inputs.Options);
        PositionTerms(inputs);
        Dropout(inputs);
    }

    public static void Separate(string argument, BufferView output, in AttentionInputs inputs)
    {
        if (output.IsAbsent) return;
        OpCheck.Apart(Op, [(argument, output)], [("query", inputs.Query), ("key", inputs.Key),
            ("value", inputs.Value), ("mask", inputs.Mask), ("bias", inputs.Bias),
            ("keyLengths", inputs.KeyLengths), ("queryOffsets", inputs.QueryOffsets),
            ("keyOffsets", inputs.KeyOffsets), ("blockTable", inputs.BlockTable),
            ("blockMask", inputs.BlockMask), ("alibiSlopes", inputs.AlibiSlopes),
            ("relativeBias", inputs.RelativeBias), ("sinks", inputs.Sinks),
            ("randomState", inputs.RandomState)]);
    }

    private static void Options(in AttentionOptions options)
    {
        OpCheck.InRange(Op, "Scale", options.Scale, 0, float.MaxValue);
        OpCheck.InRange(Op, "SoftCap", options.SoftCap, 0, float.MaxValue);
        if (options.SoftCap != 0 && options.SoftCap < SmallestCap)
        {
            OpCheck.Throw(Op, FormattableString.Invariant(
                $"'SoftCap' is {options.SoftCap}; expected 0, or {SmallestCap} and more, which ") +
                "binary32 can divide by. Use 0 for no cap.");
        }

        OpCheck.Defined(Op, "Causal", options.Causal);
        if (options.PastLength < 0)
        {
            OpCheck.Throw(Op, $"'PastLength' is {options.PastLength}; expected 0 or more. Pass " +
                "the number of keys before the first query.");
        }

        if (options.Window is { } window && (window.Left < -1 || window.Right < -1))
        {
            OpCheck.Throw(Op, $"'Window' is ({window.Left}, {window.Right}); expected −1 " +
                "(unbounded) or more on each side. Use 0 for the own position alone.");
        }
    }

    private static void PositionTerms(in AttentionInputs inputs)
    {
        int heads = inputs.Sizes.QueryHeads;
        OpCheck.FloatsOrAbsent(Op, "alibiSlopes", inputs.AlibiSlopes, heads, $"[{heads}]");
        OpCheck.FloatsOrAbsent(Op, "sinks", inputs.Sinks, heads, $"[{heads}]");
        if (inputs.Options.RelativeBuckets is { } buckets)
        {
            buckets.Check(Op);
            OpCheck.Floats(Op, "relativeBias", inputs.RelativeBias,
                OpCheck.Count(buckets.Count, heads), $"[{buckets.Count}, {heads}]");
        }
        else if (inputs.RelativeBias.IsPresent)
        {
            OpCheck.Throw(Op, "'relativeBias' is given without Options.RelativeBuckets. Say how " +
                "distances fall into its rows.");
        }
    }

    private static void Dropout(in AttentionInputs inputs)
    {
        double p = inputs.Options.DropoutProbability;
        if (!(p >= 0 && p < 1))
        {
            OpCheck.Throw(Op, FormattableString.Invariant(
                $"'DropoutProbability' is {p}; expected 0 up to, but not, 1. Use 0 for none."));
        }

        if (p == 0) return;
        OpCheck.Exactly(Op, "randomState", inputs.RandomState, 2, $"[2]");
        if (inputs.RandomState.DType != DType.Int64)
        {
            OpCheck.Throw(Op, $"'randomState' is {inputs.RandomState.DType}; expected Int64, " +
                "seed and step. Convert it first.");
        }
    }

    private static void ThrowHeads(AttentionSizes s)
    {
        // Each divisor up to the root has a partner: nobody waits for a count of 2³¹.
        int root = (int)Math.Sqrt(s.QueryHeads);
        IEnumerable<int> divisors = Enumerable.Range(1, root).Where(h => s.QueryHeads % h == 0)
            .SelectMany(h => (int[])[h, s.QueryHeads / h]).Distinct().Order();
        OpCheck.Throw(Op, $"'key' has {s.KeyValueHeads} heads; 'query' has {s.QueryHeads}, which " +
            $"is not a multiple. Use Hkv in {{{string.Join(", ", divisors)}}}.");
    }
}
