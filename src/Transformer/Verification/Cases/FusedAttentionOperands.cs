using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Allocates the operands of an attention case and builds its calls.</summary>
internal static class FusedAttentionOperands
{
    private const int Gap = 5;

    public static AttentionForward Forward(CaseMemory memory, FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        FusedAttentionPlaces places = new(spec, memory);
        FusedAttentionVisibility visibility = new(spec, memory);
        FusedAttentionRules rules = new(spec, places, visibility);
        AttentionInputs inputs = Inputs(memory, spec, places, visibility);
        AttentionStrides stride = inputs.EffectiveOutputStrides;
        long output = FusedAttentionPlaces.Extent(
            places.QueryExtent, s.QueryHeads, s.ValueDimension, stride);
        long scores = (long)s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength;
        return new()
        {
            Inputs = inputs,
            Output = memory.Output("output", output, rules.OfQueries(stride, s.ValueDimension)
                with { Floor = FusedAttentionFloors.Output(spec) }),
            LogSumExp = spec.LogSumExp
                ? memory.Output("logSumExp", inputs.QueryRows * s.QueryHeads, rules.OfSums())
                : default,
            Scores = spec.Scores == ScoreOutput.None
                ? default : memory.Output("scores", scores, rules.OfScores()),
            ScoreOutput = spec.Scores,
        };
    }

    public static AttentionBackward Backward(CaseMemory memory, FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        FusedAttentionSpec keeping = spec with { LogSumExp = true, Scores = ScoreOutput.None };
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, keeping));
        FusedAttentionPlaces places = new(spec, memory);
        FusedAttentionVisibility visibility = new(spec, memory);
        AttentionInputs inputs = Inputs(memory, spec, places, visibility);
        (BufferView query, BufferView key, BufferView value) = GradientBuffers(
            memory, spec, inputs, places, new FusedAttentionRules(spec, places, visibility));
        return new()
        {
            Inputs = inputs,
            Output = memory.Input("output", forward["output"]),
            LogSumExp = memory.Statistic("logSumExp", forward["logSumExp"]),
            OutputGradient = memory.Input("outputGradient", FusedAttentionPlaces.Extent(
                places.QueryExtent, s.QueryHeads, s.ValueDimension,
                inputs.EffectiveOutputStrides)),
            QueryGradient = query,
            KeyGradient = key,
            ValueGradient = value,
            BiasGradient = Sum(memory, spec, "biasGradient", inputs.Bias),
            RelativeBiasGradient = Sum(memory, spec, "relativeBiasGradient", inputs.RelativeBias),
            SinkGradient = Sum(memory, spec, "sinkGradient", inputs.Sinks),
        };
    }

    private static BufferView Sum(
        CaseMemory memory, FusedAttentionSpec spec, string name, BufferView input) =>
        input.IsAbsent ? default : memory.Updated(
            name, input.Length, new() { Floor = FusedAttentionFloors.Sums(spec) });

    private static AttentionInputs Inputs(
        CaseMemory memory, FusedAttentionSpec spec, FusedAttentionPlaces places,
        FusedAttentionVisibility visibility)
    {
        AttentionInputs inputs = Laid(memory, spec, places);
        (double[] query, double[] key, double[] value) =
            FusedAttentionValues.Of(memory, spec, inputs, places, visibility);
        if (spec.Layout == AttentionLayout.PackedQkv)
        {
            double[] packed = FusedAttentionValues.Interleave(query, key, value, spec.Sizes);
            (BufferView q, BufferView k, BufferView v) =
                Split(memory.Input("queryKeyValue", packed), spec.Sizes);
            inputs = inputs with { Query = q, Key = k, Value = v };
        }
        else
        {
            inputs = inputs with
            {
                Query = memory.Input("query", query),
                Key = memory.Input("key", key),
                Value = memory.Input("value", value),
            };
        }

        return WithScoreInputs(memory, spec, WithMasks(memory, spec, inputs, visibility));
    }

    private static AttentionInputs WithMasks(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs,
        FusedAttentionVisibility visibility)
    {
        bool[]? mask = visibility.Mask;
        return inputs with
        {
            Mask = mask is null ? default : memory.Input("mask", mask),
            MaskLayout = mask is null
                ? default : AttentionMaskLayout.FromShape(new(spec.MaskShape), spec.Sizes),
            BlockMask = visibility.Blocks is null
                ? default : memory.Input("blockMask", visibility.Blocks),
            BlockSize = spec.Blocks ?? default,
        };
    }

    private static AttentionInputs WithScoreInputs(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs)
    {
        int heads = spec.Sizes.QueryHeads;
        bool bias = spec.BiasShape.Length > 0;
        return inputs with
        {
            Bias = bias
                ? memory.Input("bias", FusedAttentionValues.Bias(memory, spec)) : default,
            BiasLayout = bias
                ? AttentionMaskLayout.FromShape(new(spec.BiasShape), spec.Sizes) : default,
            AlibiSlopes = spec.Alibi
                ? memory.Input("alibiSlopes", FusedAttentionValues.Slopes(heads)) : default,
            RelativeBias = spec.Options.RelativeBuckets is { } buckets
                ? memory.Input("relativeBias", (long)buckets.Count * heads) : default,
            Sinks = spec.Sinks
                ? memory.Input("sinks", FusedAttentionValues.Sinks(memory, spec)) : default,
            RandomState = spec.Options.DropoutProbability > 0
                ? memory.Input("randomState", [0x1234567890, 0x700000003L]) : default,
            Score = spec.Score,
        };
    }

    /// <summary>Strides, offsets and pages.</summary>
    private static AttentionInputs Laid(
        CaseMemory memory, FusedAttentionSpec spec, FusedAttentionPlaces places)
    {
        AttentionSizes s = spec.Sizes;
        AttentionInputs plain = new()
        {
            Sizes = s,
            Options = spec.Options,
            KeyLengths = Integers(memory, "keyLengths", spec.KeyLengths),
            QueryOffsets = Integers(memory, "queryOffsets", places.QueryOffsets),
            KeyOffsets = Integers(memory, "keyOffsets", places.KeyOffsets),
            TotalQueries = places.TotalQueries,
            TotalKeys = places.TotalKeys,
            BlockTable = Integers(memory, "blockTable", places.BlockTable),
            PageSize = spec.PageSize,
            PageCount = places.PageCount,
        };
        if (spec.Layout == AttentionLayout.Default) return plain;
        int queries = places.QueryExtent.Rows, keys = places.KeyExtent.Rows;
        return plain with
        {
            QueryStrides = Strides(spec, s.QueryHeads, queries, s.HeadDimension),
            KeyStrides = Strides(spec, s.KeyValueHeads, keys, s.HeadDimension),
            ValueStrides = Strides(spec, s.KeyValueHeads, keys, s.ValueDimension),
            OutputStrides = spec.Layout == AttentionLayout.PackedQkv
                ? AttentionStrides.SequenceMajor(s.QueryHeads, queries, s.ValueDimension)
                : Strides(spec, s.QueryHeads, queries, s.ValueDimension),
        };
    }

    private static AttentionStrides Strides(
        FusedAttentionSpec spec, int heads, int rows, int dimension) => spec.Layout switch
        {
            AttentionLayout.SequenceMajor =>
                AttentionStrides.SequenceMajor(heads, rows, dimension),
            AttentionLayout.PackedQkv => AttentionStrides.SequenceMajor(
                heads, rows, dimension, 3 * FusedAttentionValues.Model(spec.Sizes)),
            AttentionLayout.HeadsOutside => AttentionStrides.HeadMajor(heads, rows, dimension),
            _ => AttentionStrides.SequenceMajor(
                heads, rows, dimension, (heads * dimension) + Gap),
        };

    private static BufferView Integers(CaseMemory memory, string name, int[] values) =>
        values.Length == 0 ? default : memory.Input(name, values);

    private static (BufferView Query, BufferView Key, BufferView Value) GradientBuffers(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs,
        FusedAttentionPlaces places, FusedAttentionRules rules)
    {
        AttentionSizes s = spec.Sizes;
        double floor = FusedAttentionFloors.Gradients(spec);
        if (spec.Layout == AttentionLayout.PackedQkv)
        {
            return Split(memory.Output("queryKeyValueGradient",
                (long)s.Batch * s.QueryLength * 3 * FusedAttentionValues.Model(s),
                new() { Floor = floor }), s);
        }

        BufferView Keys(string name, AttentionStrides strides, int dimension) => memory.Output(
            name, FusedAttentionPlaces.Extent(
                places.KeyExtent, s.KeyValueHeads, dimension, strides),
            rules.OfKeys(strides, dimension) with { Floor = floor });
        AttentionStrides query = inputs.EffectiveQueryStrides;
        return (
            memory.Output("queryGradient", FusedAttentionPlaces.Extent(
                places.QueryExtent, s.QueryHeads, s.HeadDimension, query),
                rules.OfQueries(query, s.HeadDimension) with { Floor = floor }),
            Keys("keyGradient", inputs.EffectiveKeyStrides, s.HeadDimension),
            Keys("valueGradient", inputs.EffectiveValueStrides, s.ValueDimension));
    }

    private static (BufferView, BufferView, BufferView) Split(BufferView packed, AttentionSizes s)
    {
        int model = FusedAttentionValues.Model(s);
        return (packed, packed.Slice(model, packed.Length - model),
            packed.Slice(2 * model, packed.Length - (2 * model)));
    }
}
