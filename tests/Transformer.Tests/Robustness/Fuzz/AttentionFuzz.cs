using Transformer.Ops;
using Transformer.Tensors;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Random calls of attention, forward and backward, in three storage types.</summary>
internal static class AttentionFuzz
{
    public static void Forward(FuzzCall c)
    {
        switch (c.Below(8))
        {
            case 0: Forward<Half>(c); break;
            case 1: Forward<BFloat16>(c); break;
            default: Forward<float>(c); break;
        }
    }

    public static void Backward(FuzzCall c)
    {
        switch (c.Below(8))
        {
            case 0: Backward<Half>(c); break;
            case 1: Backward<BFloat16>(c); break;
            default: Backward<float>(c); break;
        }
    }

    private static void Forward<T>(FuzzCall c) where T : unmanaged
    {
        AttentionFuzzSizes sizes = new(c);
        AttentionSizes s = sizes.Sizes;
        AttentionOptions options = Options(c);
        ScoreOutput scores = c.OneIn(3) ? c.Named<ScoreOutput>("scores") : ScoreOutput.None;
        Kernels.FusedAttention.Forward(
            c.In<T>("query", sizes.Query.Extent), c.In<T>("key", sizes.Key.Extent),
            c.In<T>("value", sizes.Value.Extent), Extras(c, sizes, options), s, options,
            c.Out<T>("output", sizes.Output.Extent), c.OutOrNone("logSumExp", sizes.Rows),
            scores != ScoreOutput.None || c.Wrong() ? c.Out("scores", sizes.Scores) : default,
            scores, c.Backend());
    }

    private static void Backward<T>(FuzzCall c) where T : unmanaged
    {
        AttentionFuzzSizes sizes = new(c);
        AttentionOptions options = Options(c);
        AttentionExtras extras = Extras(c, sizes, options);
        Kernels.FusedAttention.Backward(
            c.In<T>("query", sizes.Query.Extent), c.In<T>("key", sizes.Key.Extent),
            c.In<T>("value", sizes.Value.Extent), c.In<T>("output", sizes.Output.Extent),
            c.In("logSumExp", sizes.Rows), c.In<T>("outputGradient", sizes.Output.Extent),
            extras, sizes.Sizes, options, c.Out<T>("queryGradient", sizes.Query.Extent),
            c.Out<T>("keyGradient", sizes.Key.Extent),
            c.Out<T>("valueGradient", sizes.Value.Extent), new()
            {
                Bias = Gradient(c, "biasGradient", extras.Bias.Length),
                RelativeBias = Gradient(c, "relativeBiasGradient", extras.RelativeBias.Length),
                Sinks = Gradient(c, "sinkGradient", extras.Sinks.Length),
            }, c.Backend());
    }

    private static Span<float> Gradient(FuzzCall c, string name, int count) =>
        (count > 0 && c.OneIn(2)) || c.Wrong() ? c.Updated(name, count) : default;

    private static AttentionOptions Options(FuzzCall c) => new()
    {
        Scale = c.OneIn(2) ? 0 : c.Number("scale", 0.5, 0, 3),
        SoftCap = c.OneIn(2) ? 0 : c.Number("soft cap", 0, 5, 0.1),
        Causal = c.OneIn(2) ? CausalAlignment.None : c.Named<CausalAlignment>("causal"),
        PastLength = c.OneIn(2) ? 0 : c.Int("past", 0, 3, int.MaxValue),
        Window = c.OneIn(2) ? null : new(
            c.Int("left", -1, 0, 5, int.MaxValue), c.Int("right", -1, 0, 5, int.MaxValue)),
        RelativeBuckets = !c.OneIn(5) ? null : new(
            c.Int("buckets", 4, 8, 32), c.Int("distance", 17, 40, 128), c.Flag("both sides")),
        DropoutProbability = c.OneIn(3) ? c.Number("dropout", 0, 0.1, 0.9) : 0,
        DropoutStream = (uint)c.Below(3),
    };

    /// <summary>Options that need no further argument.</summary>
    public static AttentionOptions PlainOptions(FuzzCall c) =>
        Options(c) with { RelativeBuckets = null };

    private static AttentionExtras Extras(
        FuzzCall c, AttentionFuzzSizes sizes, in AttentionOptions options)
    {
        AttentionSizes s = sizes.Sizes;
        TensorShape mask = c.OneIn(4) ? Shape(c, "mask shape", s) : default;
        TensorShape bias = c.OneIn(4) ? Shape(c, "bias shape", s) : default;
        // A shape may go without saying: all four axes in full.
        Int128 full = (Int128)s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength;
        bool fullMask = mask.Rank == 0 && c.OneIn(8), fullBias = bias.Rank == 0 && c.OneIn(8);
        int buckets = options.RelativeBuckets?.Count ?? (c.Wrong() ? 8 : 0);
        bool blocks = c.OneIn(6);
        AttentionBlockSize block = !blocks && !c.Wrong() ? default
            : new(c.Size("query block", 1, 5), c.Size("key block", 1, 9), c.Flag("per head"));
        return new()
        {
            QueryStrides = sizes.Query.Strides,
            KeyStrides = sizes.Key.Strides,
            ValueStrides = sizes.Value.Strides,
            OutputStrides = sizes.Output.Strides,
            MaskShape = mask,
            Mask = mask.Rank > 0 || fullMask || c.Wrong()
                ? c.Bools("mask", fullMask ? full : mask.ElementCount) : default,
            BiasShape = bias,
            Bias = bias.Rank > 0 || fullBias || c.Wrong()
                ? c.In("bias", fullBias ? full : bias.ElementCount) : default,
            QueryOffsets = sizes.QueryOffsets is { } q ? c.Values("queryOffsets", q, 1) : default,
            KeyOffsets = sizes.KeyOffsets is { } k ? c.Values("keyOffsets", k, 1) : default,
            KeyLengths = sizes.KeyLengths is { } n
                ? c.Values("keyLengths", n, s.KeyLength) : default,
            BlockTable = sizes.BlockTable is { } table
                ? c.Values("blockTable", table, sizes.PageCount) : default,
            PageSize = sizes.PageSize,
            PageCount = sizes.PageCount,
            BlockSize = block,
            BlockMask = blocks ? c.Bools("blockMask", Blocks(block, s)) : default,
            AlibiSlopes = c.OneIn(5) ? c.In("alibiSlopes", s.QueryHeads) : default,
            RelativeBias = buckets != 0
                ? c.In("relativeBias", (Int128)buckets * s.QueryHeads) : default,
            Sinks = c.OneIn(5) ? c.In("sinks", s.QueryHeads) : default,
            DropoutSeed = c.Of(0, 1, long.MinValue, long.MaxValue),
            DropoutStep = c.Of(0, 1, long.MinValue, long.MaxValue),
            Score = c.OneIn(5) ? Bent : null,
        };
    }

    private static Int128 Blocks(AttentionBlockSize block, AttentionSizes s)
    {
        if (block.QueryBlock <= 0 || block.KeyBlock <= 0) return 0;
        Int128 rows = ((Int128)s.QueryLength + block.QueryBlock - 1) / block.QueryBlock;
        Int128 columns = ((Int128)s.KeyLength + block.KeyBlock - 1) / block.KeyBlock;
        return (block.PerHead ? s.QueryHeads : 1) * rows * columns;
    }

    private static TensorShape Shape(FuzzCall c, string name, AttentionSizes s)
    {
        Span<long> sizes =
        [
            c.OneIn(2) ? 1 : s.Batch, c.OneIn(2) ? 1 : s.QueryHeads,
            c.OneIn(2) ? 1 : s.QueryLength,
            c.OneIn(3) ? c.Below(Math.Clamp(s.KeyLength, 0, 100) + 1) : s.KeyLength,
        ];
        int rank = 1 + c.Below(4);
        if (c.Wrong()) rank = c.Of(0, 1, 4);
        for (int axis = 0; axis < 4; axis++)
            if (c.Wrong()) sizes[axis] = c.Of(0, 1, 2, 7, -1, long.MaxValue, 1L << 33);
        TensorShape shape = new(sizes[^rank..]);
        return c.Note(name, shape);
    }

    private static readonly ScoreModifier Bent = ScoreModifier.OfDifferentiable(new Bend());

    /// <summary>Half the score, less the distance; hides every seventh key.</summary>
    private readonly struct Bend : IDifferentiableScoreModifier
    {
        public float Apply(float score, int batch, int head, int query, int key) =>
            (score / 2) - Math.Abs(query - key);

        public bool IsVisible(int batch, int head, int query, int key) => key % 7 != 6;

        public float Derivative(float score, int batch, int head, int query, int key) => 0.5f;
    }
}
