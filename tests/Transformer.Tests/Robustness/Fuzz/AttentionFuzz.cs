using Transformer.Ops;
using Transformer.Tensors;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Random calls of attention, forward and backward.</summary>
internal static class AttentionFuzz
{
    public static void Forward(FuzzCall c)
    {
        AttentionSizes s = Sizes(c);
        AttentionOptions options = Options(c);
        AttentionStrides query = Strides(c, "query", s.QueryHeads, s.QueryLength, s.HeadDimension);
        AttentionStrides key = Strides(c, "key", s.KeyValueHeads, s.KeyLength, s.HeadDimension);
        AttentionStrides value = Strides(c, "value", s.KeyValueHeads, s.KeyLength,
            s.ValueDimension);
        AttentionStrides result = Strides(c, "output", s.QueryHeads, s.QueryLength,
            s.ValueDimension);
        Int128 rows = (Int128)s.Batch * s.QueryHeads * s.QueryLength;
        ScoreOutput scores = c.OneIn(3) ? c.Named<ScoreOutput>("scores") : ScoreOutput.None;
        Kernels.FusedAttention.Forward(
            c.In("query", Extent(s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension, query)),
            c.In("key", Extent(s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension, key)),
            c.In("value", Extent(s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension, value)),
            Extras(c, s, query, key, value, result), s, options,
            c.Out("output", Extent(
                s.Batch, s.QueryHeads, s.QueryLength, s.ValueDimension, result)),
            c.OutOrNone("logSumExp", rows),
            scores != ScoreOutput.None || c.Wrong() ? c.Out("scores", rows * s.KeyLength) : default,
            scores, c.Backend());
    }

    public static void Backward(FuzzCall c)
    {
        AttentionSizes s = Sizes(c);
        AttentionOptions options = Options(c);
        AttentionStrides query = Strides(c, "query", s.QueryHeads, s.QueryLength, s.HeadDimension);
        AttentionStrides key = Strides(c, "key", s.KeyValueHeads, s.KeyLength, s.HeadDimension);
        AttentionStrides value = Strides(c, "value", s.KeyValueHeads, s.KeyLength,
            s.ValueDimension);
        AttentionStrides result = Strides(c, "output", s.QueryHeads, s.QueryLength,
            s.ValueDimension);
        Int128 rows = (Int128)s.Batch * s.QueryHeads * s.QueryLength;
        Int128 queries = Extent(s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension, query);
        Int128 keys = Extent(s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension, key);
        Int128 values = Extent(s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension, value);
        Int128 outputs = Extent(s.Batch, s.QueryHeads, s.QueryLength, s.ValueDimension, result);
        AttentionExtras extras = Extras(c, s, query, key, value, result);
        Kernels.FusedAttention.Backward(
            c.In("query", queries), c.In("key", keys), c.In("value", values),
            c.In("output", outputs), c.In("logSumExp", rows), c.In("outputGradient", outputs),
            extras, s, options, c.Out("queryGradient", queries), c.Out("keyGradient", keys),
            c.Out("valueGradient", values),
            new()
            {
                Bias = c.OneIn(2) ? c.Updated("biasGradient", extras.Bias.Length) : default,
            }, c.Backend());
    }

    private static AttentionSizes Sizes(FuzzCall c)
    {
        int keyHeads = c.Size("Hkv", 1, 2);
        int group = c.Size("group", 1, 3);
        return new(
            c.Size("B", 0, 2), unchecked(keyHeads * group), keyHeads, c.Size("Sq", 0, 9),
            c.Size("Skv", 0, c.OneIn(4) ? 70 : 17), c.Size("D", 1, 20), c.Size("Dv", 1, 20));
    }

    private static AttentionOptions Options(FuzzCall c) => new()
    {
        Scale = c.OneIn(2) ? 0 : c.Number("scale", 0.5, 0, 3),
        SoftCap = c.OneIn(2) ? 0 : c.Number("soft cap", 0, 5, 0.1),
        Causal = c.OneIn(2) ? CausalAlignment.None : c.Named<CausalAlignment>("causal"),
        PastLength = c.OneIn(2) ? 0 : c.Int("past", 0, 3, int.MaxValue),
        Window = c.OneIn(2) ? null : new(
            c.Int("left", -1, 0, 5, int.MaxValue), c.Int("right", -1, 0, 5, int.MaxValue)),
    };

    private static AttentionStrides Strides(
        FuzzCall c, string name, int heads, int length, int dimension)
    {
        AttentionStrides right = c.Below(4) switch
        {
            0 => AttentionStrides.SequenceMajor(heads, length, dimension),
            1 => AttentionStrides.SequenceMajor(
                heads, length, dimension, ((long)heads * dimension) + 3),
            _ => default,
        };
        if (right == default && !c.Wrong()) return default;
        c.Note(name, "strides");
        AttentionStrides strides = new(c.Stride("batch", right.Batch),
            c.Stride("head", right.Head), c.Stride("sequence", right.Sequence));
        // Reading may broadcast: millions of rows in a few elements would only take long.
        bool many = heads > 1000 || length > 1000;
        return many && (strides.Head == 0 || strides.Sequence == 0) ? default : strides;
    }

    private static AttentionExtras Extras(
        FuzzCall c, AttentionSizes s, AttentionStrides query, AttentionStrides key,
        AttentionStrides value, AttentionStrides output)
    {
        TensorShape mask = c.OneIn(3) ? Shape(c, "mask shape", s) : default;
        TensorShape bias = c.OneIn(3) ? Shape(c, "bias shape", s) : default;
        // A shape may go without saying: all four axes in full.
        Int128 full = (Int128)s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength;
        bool fullMask = mask.Rank == 0 && c.OneIn(6), fullBias = bias.Rank == 0 && c.OneIn(6);
        return new()
        {
            QueryStrides = query,
            KeyStrides = key,
            ValueStrides = value,
            OutputStrides = output,
            MaskShape = mask,
            Mask = mask.Rank > 0 || fullMask || c.Wrong()
                ? c.Bools("mask", fullMask ? full : mask.ElementCount) : default,
            BiasShape = bias,
            Bias = bias.Rank > 0 || fullBias || c.Wrong()
                ? c.In("bias", fullBias ? full : bias.ElementCount) : default,
            KeyLengths = c.OneIn(3) ? c.Ids("keyLengths", s.Batch, 0, s.KeyLength) : default,
        };
    }

    private static TensorShape Shape(FuzzCall c, string name, AttentionSizes s)
    {
        Span<long> sizes =
        [
            c.OneIn(2) ? 1 : s.Batch, c.OneIn(2) ? 1 : s.QueryHeads,
            c.OneIn(2) ? 1 : s.QueryLength, c.OneIn(3) ? c.Below(s.KeyLength + 1) : s.KeyLength,
        ];
        int rank = 1 + c.Below(4);
        if (c.Wrong()) rank = c.Of(0, 1, 4);
        for (int axis = 0; axis < 4; axis++)
            if (c.Wrong()) sizes[axis] = c.Of(0, 1, 2, 7, -1, long.MaxValue, 1L << 33);
        TensorShape shape = new(sizes[^rank..]);
        return c.Note(name, shape);
    }

    private static Int128 Extent(
        int batch, int heads, int length, int dimension, AttentionStrides strides)
    {
        if (batch <= 0 || heads <= 0 || length <= 0) return 0;
        AttentionStrides s = strides == default
            ? AttentionStrides.HeadMajor(heads, length, dimension) : strides;
        return dimension + ((Int128)(batch - 1) * s.Batch) + ((Int128)(heads - 1) * s.Head) +
            ((Int128)(length - 1) * s.Sequence);
    }
}
