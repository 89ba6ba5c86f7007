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
        long rows = (long)s.Batch * s.QueryHeads * s.QueryLength;
        bool[]? mask = spec.MaskShape.Length > 0 ? spec.Mask(memory) : null;
        bool[] blind = spec.BlindQueries(mask);
        AttentionInputs inputs = Inputs(memory, spec, mask);
        AttentionStrides stride = inputs.EffectiveOutputStrides;
        return new()
        {
            Inputs = inputs,
            Output = memory.Output("output", Extent(s.Batch, s.QueryHeads, s.QueryLength,
                s.ValueDimension, stride), new()
                {
                    HasGaps = spec.Layout == AttentionLayout.Gapped,
                    ExactZero = index => blind[RowOf(index, s, stride)],
                    Floor = spec.MayCancel ? 1 : 0,
                }),
            LogSumExp = spec.LogSumExp
                ? memory.Output("logSumExp", rows, new()
                {
                    Statistic = true, Floor = spec.MayCancel ? 1 + spec.ScoreDeviation : 0,
                }) : default,
            Scores = spec.Scores == ScoreOutput.None
                ? default : memory.Output("scores", rows * s.KeyLength, ScoreRule(spec, mask)),
            ScoreOutput = spec.Scores,
        };
    }

    public static AttentionBackward Backward(CaseMemory memory, FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        FusedAttentionSpec keeping = spec with { LogSumExp = true, Scores = ScoreOutput.None };
        IReadOnlyDictionary<string, double[]> forward =
            memory.Prepare("forward", m => Forward(m, keeping));
        bool[]? mask = spec.MaskShape.Length > 0 ? spec.Mask(memory) : null;
        AttentionInputs inputs = Inputs(memory, spec, mask);
        AttentionStrides output = inputs.EffectiveOutputStrides;
        (BufferView query, BufferView key, BufferView value) =
            GradientBuffers(memory, spec, inputs, mask);
        return new()
        {
            Inputs = inputs,
            Output = memory.Input("output", forward["output"]),
            LogSumExp = memory.Statistic("logSumExp", forward["logSumExp"]),
            OutputGradient = memory.Input("outputGradient", Extent(
                s.Batch, s.QueryHeads, s.QueryLength, s.ValueDimension, output)),
            QueryGradient = query,
            KeyGradient = key,
            ValueGradient = value,
            BiasGradient = inputs.Bias.IsPresent
                ? memory.Updated("biasGradient", inputs.Bias.Length, new()
                {
                    Floor = spec.MayCancel
                        ? Math.Sqrt((double)s.Batch * s.QueryHeads * s.QueryLength *
                            s.ValueDimension) : 0,
                }) : default,
        };
    }

    private static AttentionInputs Inputs(
        CaseMemory memory, FusedAttentionSpec spec, bool[]? mask)
    {
        AttentionSizes s = spec.Sizes;
        AttentionInputs inputs = Strided(spec);
        (double[] query, double[] key, double[] value) = Values(memory, spec, inputs, mask);
        if (spec.Layout == AttentionLayout.PackedQkv)
        {
            double[] packed = new double[(long)s.Batch * s.QueryLength * 3 * Model(s)];
            for (long i = 0; i < packed.Length; i++)
            {
                (long row, long column) = Math.DivRem(i, 3L * Model(s));
                (long part, long within) = Math.DivRem(column, Model(s));
                packed[i] = (part switch { 0 => query, 1 => key, _ => value })[
                    (row * 3 * Model(s)) + within];
            }

            (BufferView q, BufferView k, BufferView v) =
                Split(memory.Input("queryKeyValue", packed), s);
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

        return inputs with
        {
            Mask = mask is null ? default : memory.Input("mask", mask),
            MaskLayout = mask is null
                ? default : AttentionMaskLayout.FromShape(new(spec.MaskShape), s),
            Bias = spec.BiasShape.Length == 0 ? default : memory.Input("bias", Bias(memory, spec)),
            BiasLayout = spec.BiasShape.Length == 0
                ? default : AttentionMaskLayout.FromShape(new(spec.BiasShape), s),
            KeyLengths = spec.KeyLengths.Length == 0
                ? default : memory.Input("keyLengths", spec.KeyLengths),
        };
    }

    private static AttentionInputs Strided(FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        AttentionInputs plain = new() { Sizes = s, Options = spec.Options };
        AttentionStrides Rows(int heads, int length, int dimension) => spec.Layout switch
        {
            AttentionLayout.SequenceMajor =>
                AttentionStrides.SequenceMajor(heads, length, dimension),
            AttentionLayout.PackedQkv =>
                AttentionStrides.SequenceMajor(heads, length, dimension, 3 * Model(s)),
            _ => AttentionStrides.SequenceMajor(
                heads, length, dimension, (heads * dimension) + Gap),
        };
        return spec.Layout == AttentionLayout.HeadMajor ? plain : plain with
        {
            QueryStrides = Rows(s.QueryHeads, s.QueryLength, s.HeadDimension),
            KeyStrides = Rows(s.KeyValueHeads, s.KeyLength, s.HeadDimension),
            ValueStrides = Rows(s.KeyValueHeads, s.KeyLength, s.ValueDimension),
            OutputStrides = spec.Layout == AttentionLayout.PackedQkv
                ? AttentionStrides.SequenceMajor(s.QueryHeads, s.QueryLength, s.ValueDimension)
                : Rows(s.QueryHeads, s.QueryLength, s.ValueDimension),
        };
    }

    /// <summary>Query, key and value; NaN in keys and infinity in values that nobody sees.
    /// </summary>
    private static (double[] Query, double[] Key, double[] Value) Values(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs, bool[]? mask)
    {
        AttentionSizes s = spec.Sizes;
        double[] query = memory.Normal("query", Extent(s.Batch, s.QueryHeads, s.QueryLength,
            s.HeadDimension, inputs.EffectiveQueryStrides));
        AttentionStrides keyStrides = inputs.EffectiveKeyStrides;
        AttentionStrides valueStrides = inputs.EffectiveValueStrides;
        double[] key = memory.Normal("key", Extent(
            s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension, keyStrides));
        double[] value = memory.Normal("value", Extent(
            s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension, valueStrides));
        if (spec.LargeLogits)
        {
            // Multiples of 1/2 below 2¹²: products and their sums are exact in binary32.
            for (int i = 0; i < query.Length; i++) query[i] = Math.Round(query[i] * 2000) / 2;
            for (int i = 0; i < key.Length; i++) key[i] = Math.Round(key[i] * 16) / 2;
        }

        // Raw and capped scores are defined for hidden keys, too, and would be NaN by right.
        if (!spec.PlantsHidden || spec.Scores is ScoreOutput.Raw or ScoreOutput.Capped)
        {
            return (query, key, value);
        }

        bool[] hidden = spec.HiddenKeys(mask);
        for (int row = 0; row < hidden.Length; row++)
        {
            if (!hidden[row]) continue;
            (int outer, int j) = Math.DivRem(row, s.KeyLength);
            (int b, int h) = Math.DivRem(outer, s.KeyValueHeads);
            Row(key, keyStrides, b, h, j, s.HeadDimension).Fill(double.NaN);
            Row(value, valueStrides, b, h, j, s.ValueDimension).Fill(double.PositiveInfinity);
        }

        return (query, key, value);
    }

    private static double[] Bias(CaseMemory memory, FusedAttentionSpec spec)
    {
        double[] bias = memory.Normal("bias", spec.BiasShape.Aggregate(1L, (a, b) => a * b));
        for (int i = 1; spec.BiasHasInfinity && i < bias.Length; i += 3)
        {
            bias[i] = double.NegativeInfinity;
        }

        return bias;
    }

    private static (BufferView Query, BufferView Key, BufferView Value) GradientBuffers(
        CaseMemory memory, FusedAttentionSpec spec, in AttentionInputs inputs, bool[]? mask)
    {
        AttentionSizes s = spec.Sizes;
        // Where one key is seen, or weights are one-hot, the gradients of the scores cancel to 0
        // from terms of order 1 (of the queries' size with large logits): their error counts
        // against a tenth of that. Queries and keys get theirs times the scale.
        OutputRule rule = new()
        {
            HasGaps = spec.Layout == AttentionLayout.Gapped,
            Floor = spec.LargeLogits ? 100 : spec.MayCancel
                ? GradientTerms(spec) : 0.1 * Math.Max(1, spec.ScoreDeviation),
        };
        if (spec.Layout == AttentionLayout.PackedQkv)
        {
            return Split(memory.Output("queryKeyValueGradient",
                (long)s.Batch * s.QueryLength * 3 * Model(s), rule), s);
        }

        bool[] blind = spec.BlindQueries(mask);
        bool[] hidden = spec.HiddenKeys(mask);
        AttentionStrides query = inputs.EffectiveQueryStrides;
        AttentionStrides key = inputs.EffectiveKeyStrides;
        AttentionStrides value = inputs.EffectiveValueStrides;
        return (
            memory.Output("queryGradient", Extent(
                s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension, query),
                rule with { ExactZero = i => blind[RowOf(i, s, query)] }),
            memory.Output("keyGradient", Extent(
                s.Batch, s.KeyValueHeads, s.KeyLength, s.HeadDimension, key),
                rule with { ExactZero = i => hidden[KeyRowOf(i, s, key)] }),
            memory.Output("valueGradient", Extent(
                s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension, value),
                rule with { ExactZero = i => hidden[KeyRowOf(i, s, value)] }));
    }

    // Of a key that all queries see and few others compete with: a sum over the queries of weight
    // times dO·V, times the scale.
    private static double GradientTerms(FusedAttentionSpec spec)
    {
        AttentionSizes s = spec.Sizes;
        double rows = (double)s.QueryHeads / s.KeyValueHeads * s.QueryLength;
        double scale = spec.Options.EffectiveScale(s.HeadDimension);
        return Math.Sqrt(Math.Max(1, rows)) * Math.Max(1, scale * Math.Sqrt(s.ValueDimension));
    }

    private static OutputRule ScoreRule(FusedAttentionSpec spec, bool[]? mask)
    {
        AttentionSizes s = spec.Sizes;
        if (spec.Scores != ScoreOutput.Probabilities)
            return new() { Floor = spec.MayCancel ? 1 + spec.ScoreDeviation : 0 };
        // Weights are of order 1/Skv.
        return new()
        {
            Floor = 0.01 / Math.Max(1, s.KeyLength),
            ExactZero = index =>
            {
                (long row, long j) = Math.DivRem(index, s.KeyLength);
                (long outer, long i) = Math.DivRem(row, s.QueryLength);
                (long b, long h) = Math.DivRem(outer, s.QueryHeads);
                return !spec.IsVisible(mask, (int)b, (int)h, (int)i, (int)j);
            },
        };
    }

    private static (BufferView, BufferView, BufferView) Split(BufferView packed, AttentionSizes s)
    {
        int model = Model(s);
        return (packed, packed.Slice(model, packed.Length - model),
            packed.Slice(2 * model, packed.Length - (2 * model)));
    }

    private static int Model(AttentionSizes s) => s.QueryHeads * s.HeadDimension;

    private static long Extent(
        int batch, int heads, int length, int dimension, AttentionStrides strides) =>
        batch == 0 || length == 0 ? 0
            : ((batch - 1) * strides.Batch) + ((heads - 1) * strides.Head) +
                ((length - 1) * strides.Sequence) + dimension;

    private static Span<double> Row(
        double[] values, AttentionStrides strides, int batch, int head, int position,
        int dimension) => values.AsSpan((int)((batch * strides.Batch) + (head * strides.Head) +
            (position * strides.Sequence)), dimension);

    private static long RowOf(long index, AttentionSizes s, AttentionStrides strides) =>
        RowOf(index, s.QueryHeads, s.QueryLength, strides);

    private static long KeyRowOf(long index, AttentionSizes s, AttentionStrides strides) =>
        RowOf(index, s.KeyValueHeads, s.KeyLength, strides);

    // Undoes batch·Batch + head·Head + position·Sequence: the larger stride is divided out first.
    private static long RowOf(long index, int heads, int length, AttentionStrides strides)
    {
        (long batch, long rest) = Math.DivRem(index, strides.Batch);
        if (heads == 1) return (batch * length) + (rest / strides.Sequence);
        bool headOutside = strides.Head >= strides.Sequence;
        (long outer, long inside) =
            Math.DivRem(rest, headOutside ? strides.Head : strides.Sequence);
        long inner = inside / (headOutside ? strides.Sequence : strides.Head);
        (long head, long position) = headOutside ? (outer, inner) : (inner, outer);
        return (((batch * heads) + head) * length) + position;
    }
}
