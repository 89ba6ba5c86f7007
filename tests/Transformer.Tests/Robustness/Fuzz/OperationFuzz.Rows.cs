using Transformer.Ops;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Normalisations, softmax and its losses, rotary embedding, caches.</summary>
internal static partial class OperationFuzz
{
    public static void RmsNormForward(FuzzCall c)
    {
        RmsNormSizes s = new(c.Size("rows", 0, 9), c.Size("width", 1, 70));
        Int128 all = (Int128)s.Rows * s.Width;
        bool residual = c.Flag("residual");
        RmsNormOptions options =
            new() { Epsilon = c.OneIn(2) ? null : c.Number("epsilon", 1e-5, 1e-12) };
        Kernels.RmsNorm.Forward(c.In("input", all), residual ? c.In("residual", all) : default,
            c.InOrNone("weight", s.Width), s, options, c.Out("output", all),
            residual ? c.Out("sum", all) : default, c.OutOrNone("inverseRms", s.Rows),
            c.Backend());
    }

    public static void RmsNormBackward(FuzzCall c)
    {
        RmsNormSizes s = new(c.Size("rows", 0, 9), c.Size("width", 1, 70));
        Int128 all = (Int128)s.Rows * s.Width;
        Kernels.RmsNorm.Backward(c.In("sum", all), c.InOrNone("weight", s.Width),
            c.In("inverseRms", s.Rows), c.In("outputGradient", all), s,
            c.Out("inputGradient", all), c.UpdatedOrNone("weightGradient", s.Width),
            c.InOrNone("sumGradient", all), c.Backend());
    }

    public static void SoftmaxBoth(FuzzCall c)
    {
        SoftmaxSizes s =
            new(c.Size("outer", 0, 5), c.Size("length", 1, 40), c.Size("inner", 1, 20));
        Int128 all = (Int128)s.Outer * s.Length * s.Inner;
        if (c.Flag("logarithm"))
            Kernels.LogSoftmax.Forward(c.In("input", all), s, c.Out("output", all), c.Backend());
        else
            Kernels.Softmax.Forward(c.In("input", all), s, c.Out("output", all), c.Backend());
    }

    public static void TopKForward(FuzzCall c)
    {
        int rows = c.Size("rows", 0, 5), length = c.Size("length", 1, 90);
        TopKSizes s = new(rows, length, c.Size("count", 1, Math.Clamp(length, 1, 20)));
        Int128 taken = (Int128)s.Rows * s.Count;
        Kernels.TopK.Forward(c.In("input", (Int128)s.Rows * s.Length), s,
            c.Out<int>("indices", taken), c.OutOrNone("values", taken), c.Backend());
    }

    public static void SamplingForward(FuzzCall c)
    {
        SamplingSizes s = new(c.Size("rows", 0, 5), c.Size("vocabulary", 1, 90));
        DrawOptions options = new()
        {
            Temperature = c.Number("temperature", 1, 0),
            TopK = c.Size("topK", 0, 99),
            TopP = c.Number("topP", 1, 0.5),
            Seed = 7,
        };
        Kernels.Sampling.Forward(c.In("logits", (Int128)s.Rows * s.Vocabulary), s, options,
            c.Out<int>("tokens", s.Rows), c.Backend());
    }

    public static void NegativeLogLikelihoodForward(FuzzCall c)
    {
        NegativeLogLikelihoodSizes s = Likelihood(c, out NegativeLogLikelihoodOptions options);
        Int128 labels = (Int128)s.Outer * s.Inner;
        Kernels.NegativeLogLikelihood.Forward(c.In("logProbabilities", labels * s.Classes),
            c.Ids("labels", labels, 0, s.Classes - 1L), Weights(c, s.Classes), s, options,
            c.OutOrNone("losses", labels), c.Backend());
    }

    public static void NegativeLogLikelihoodBackward(FuzzCall c)
    {
        NegativeLogLikelihoodSizes s = Likelihood(c, out NegativeLogLikelihoodOptions options);
        Int128 labels = (Int128)s.Outer * s.Inner;
        Kernels.NegativeLogLikelihood.Backward(c.Ids("labels", labels, 0, s.Classes - 1L),
            Weights(c, s.Classes), (float)c.Number("lossGradient", 1, -2), s, options,
            c.Out("logProbabilitiesGradient", labels * s.Classes), c.Backend());
    }

    public static void Rotary(FuzzCall c)
    {
        RotarySizes s = new(c.Size("B", 0, 2), c.Size("heads", 1, 3), c.Size("length", 0, 7),
            2 * c.Size("half D", 1, 12));
        Int128 tokens = (Int128)s.Batch * s.Length;
        bool gathered = c.OneIn(4), ids = !gathered && c.Flag("ids");
        int positions = gathered ? 0 : c.Size("positions", 9, 12);
        RotaryTableSpans tables =
            Tables(c, s.HeadDimension, gathered ? tokens : positions, positions);
        RotaryExtras extras = new()
        {
            PositionIds = ids ? c.Ids("positionIds", tokens, 0, positions - 1L) : default,
            PositionOffset = gathered || ids ? 0 : c.Int("offset", 0, 1, 2),
        };
        Int128 all = tokens * s.Heads * s.HeadDimension;
        if (c.Flag("backward"))
        {
            Kernels.RotaryEmbedding.Backward(c.In("outputGradient", all), tables, extras, s,
                c.Out("inputGradient", all), c.Backend());
        }
        else
        {
            Kernels.RotaryEmbedding.Forward(
                c.In("input", all), tables, extras, s, c.Out("output", all), c.Backend());
        }
    }

    public static void AttentionMerge(FuzzCall c)
    {
        int parts = c.Size("parts", 1, 4), dimension = c.Size("dimension", 1, 20);
        Int128 rows = c.Size("rows", 0, 9);
        Kernels.AttentionMerge.Forward(c.In("outputs", parts * rows * dimension),
            c.In("logSumExps", parts * rows), parts, dimension,
            c.Out("output", rows * dimension), c.OutOrNone("logSumExp", rows), c.Backend());
    }

    public static void KvCacheAppend(FuzzCall c)
    {
        int heads = c.Size("heads", 1, 2), dimension = 2 * c.Size("half D", 1, 8);
        int added = c.Size("new", 1, 4), batch = c.Size("B", 0, 3);
        bool paged = c.OneIn(3), rotary = c.OneIn(3);
        int blocks = paged ? c.Size("blocks", 1, 2) : 0, page = paged ? 16 : 0;
        int pages = paged ? c.Size("pages", 6, 8) : 0;
        int capacity = paged ? 0 : c.Size("capacity", 4, 9);
        KvCacheSizes s = new(batch, added, capacity, unchecked(heads * dimension));
        long stride = c.OneIn(2) ? 0 : c.Stride("row stride", s.Width + (long)c.Below(3));
        Int128 rows = (Int128)s.Batch * s.NewLength;
        Int128 source = rows <= 0 ? 0 : ((rows - 1) * (stride == 0 ? s.Width : stride)) + s.Width;
        int[] table = [.. Enumerable.Range(0, Math.Clamp(batch, 0, 3) * Math.Clamp(blocks, 0, 2))];
        long room = paged ? 16L * blocks : capacity;
        KvCacheExtras extras = new()
        {
            SourceRowStride = stride,
            Rotary = rotary ? Tables(c, dimension, 32, 32) : default,
            HeadDimension = rotary ? dimension : 0,
            BlockTable = paged ? c.Values("blockTable", table, 6) : default,
            MaximumBlocks = blocks,
            PageSize = page,
            PageCount = pages,
        };
        Kernels.KvCacheAppend.Forward(c.In<float>("source", source),
            c.Ids("positions", s.Batch, 0, room - s.NewLength), extras, s,
            c.Updated("cache", paged
                ? (Int128)pages * page * s.Width : (Int128)s.Batch * s.Capacity * s.Width),
            c.Backend());
    }

    private static RotaryTableSpans Tables(
        FuzzCall c, int dimension, Int128 rows, int positions)
    {
        int rotary = c.OneIn(2) ? 0 : c.Int("rotary", 2, dimension);
        int half = (rotary == 0 ? dimension : rotary) / 2;
        return new()
        {
            Cosines = c.In("cosines", rows * half),
            Sines = c.In("sines", rows * half),
            MaxPositions = positions,
            RotaryDimension = rotary,
            Interleaved = c.Flag("interleaved"),
        };
    }

    // The numbers of an input are negative, too; a weight may not be.
    private static ReadOnlySpan<float> Weights(FuzzCall c, int classes)
    {
        if (!c.OneIn(3)) return default;
        return c.Positive("classWeights", classes);
    }

    private static NegativeLogLikelihoodSizes Likelihood(
        FuzzCall c, out NegativeLogLikelihoodOptions options)
    {
        options = new()
        {
            IgnoreIndex = c.OneIn(2) ? null : c.Of(-1, 0, int.MinValue),
            Reduction = c.Named<LossReduction>("reduction"),
        };
        return new(c.Size("outer", 0, 5), c.Size("classes", 1, 20), c.Size("inner", 1, 9));
    }
}
