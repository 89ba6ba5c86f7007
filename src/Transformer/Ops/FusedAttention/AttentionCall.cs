using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>What forward and backward of an attention call have in common: its inputs.</summary>
public readonly record struct AttentionInputs
{
    /// <summary>[B, Hq, Sq, D].</summary>
    public BufferView Query { get; init; }

    /// <summary>[B, Hkv, Skv, D].</summary>
    public BufferView Key { get; init; }

    /// <summary>[B, Hkv, Skv, Dv].</summary>
    public BufferView Value { get; init; }

    /// <summary>Of the query and its gradient; default: contiguous [B, Hq, Sq, D].</summary>
    public AttentionStrides QueryStrides { get; init; }

    /// <summary>Of the key and its gradient; default: contiguous [B, Hkv, Skv, D].</summary>
    public AttentionStrides KeyStrides { get; init; }

    /// <summary>Of the value and its gradient; default: contiguous [B, Hkv, Skv, Dv].</summary>
    public AttentionStrides ValueStrides { get; init; }

    /// <summary>Of the output and its gradient; default: contiguous [B, Hq, Sq, Dv].</summary>
    public AttentionStrides OutputStrides { get; init; }

    /// <summary>Bool, true = may attend; laid out as <see cref="MaskLayout"/>; optional.</summary>
    public BufferView Mask { get; init; }

    /// <summary>Strides of the mask; 0 broadcasts.</summary>
    public AttentionMaskLayout MaskLayout { get; init; }

    /// <summary>Added to the scores, −∞ allowed; laid out as <see cref="BiasLayout"/>; optional.
    /// </summary>
    public BufferView Bias { get; init; }

    /// <summary>Strides of the bias and of its gradient; 0 broadcasts.</summary>
    public AttentionMaskLayout BiasLayout { get; init; }

    /// <summary>[B] Int32, each in [0, Skv]: keys from there on are padding; optional.</summary>
    public BufferView KeyLengths { get; init; }

    /// <summary>Sizes.</summary>
    public AttentionSizes Sizes { get; init; }

    /// <summary>Options.</summary>
    public AttentionOptions Options { get; init; }

    /// <summary>Query strides with the default filled in.</summary>
    public AttentionStrides EffectiveQueryStrides =>
        QueryStrides.Or(Sizes.QueryHeads, Sizes.QueryLength, Sizes.HeadDimension);

    /// <summary>Key strides with the default filled in.</summary>
    public AttentionStrides EffectiveKeyStrides =>
        KeyStrides.Or(Sizes.KeyValueHeads, Sizes.KeyLength, Sizes.HeadDimension);

    /// <summary>Value strides with the default filled in.</summary>
    public AttentionStrides EffectiveValueStrides =>
        ValueStrides.Or(Sizes.KeyValueHeads, Sizes.KeyLength, Sizes.ValueDimension);

    /// <summary>Output strides with the default filled in.</summary>
    public AttentionStrides EffectiveOutputStrides =>
        OutputStrides.Or(Sizes.QueryHeads, Sizes.QueryLength, Sizes.ValueDimension);

    /// <summary>The causal (and window) offset of one sequence: query i stands at key i + offset.
    /// </summary>
    /// <param name="keyLength">The sequence's number of keys: keyLengths[b], or Skv.</param>
    public int PositionOffset(int keyLength) => Options.Causal switch
    {
        CausalAlignment.BottomRight => keyLength - Sizes.QueryLength,
        CausalAlignment.TopLeft => 0,
        _ => Options.PastLength,
    };
}

/// <summary>
/// output = softmax(scale·query·keyᵀ + bias, over visible keys)·value, by online softmax.
/// </summary>
/// <remarks>
/// Vaswani et al. 2017, eq. 1; Milakov, Gimelshein 2018 (online softmax); Dao et al. 2022
/// (tiling). Order of operations: scale, soft cap, bias, visibility, softmax, product. A row that
/// sees no key gives zeros and log-sum-exp −∞; hidden keys may hold NaN.
/// </remarks>
public readonly record struct AttentionForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "FusedAttention";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>Inputs, sizes and options.</summary>
    public AttentionInputs Inputs { get; init; }

    /// <summary>[B, Hq, Sq, Dv].</summary>
    public BufferView Output { get; init; }

    /// <summary>[B, Hq, Sq], natural log-sum-exp of the final scores; optional; needed by the
    /// backward pass.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>[B, Hq, Sq, Skv], contiguous; present exactly where ScoreOutput asks for it.
    /// </summary>
    public BufferView Scores { get; init; }

    /// <summary>Which scores are written.</summary>
    public ScoreOutput ScoreOutput { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        AttentionChecks.Inputs(Inputs);
        AttentionSizes s = Inputs.Sizes;
        long rows = OpCheck.Count(s.Batch, s.QueryHeads, s.QueryLength);
        ShapeText rowShape = $"[{s.Batch}, {s.QueryHeads}, {s.QueryLength}]";
        AttentionChecks.Written("output", Output, Inputs.EffectiveOutputStrides, s.Batch,
            s.QueryHeads, s.QueryLength, s.ValueDimension);
        OpCheck.Defined(Op, nameof(ScoreOutput), ScoreOutput);
        OpCheck.FloatsOrAbsent(Op, "logSumExp", LogSumExp, rows, rowShape);
        if (Scores.IsPresent != (ScoreOutput != ScoreOutput.None) && rows > 0 && s.KeyLength > 0)
        {
            OpCheck.Throw(Op, $"'scores' is {(Scores.IsPresent ? "present" : "absent")} with " +
                $"ScoreOutput.{ScoreOutput}. Pass a buffer exactly when scores are asked for.");
        }

        OpCheck.FloatsOrAbsent(Op, "scores", Scores, OpCheck.Count(rows, s.KeyLength),
            $"[{s.Batch}, {s.QueryHeads}, {s.QueryLength}, {s.KeyLength}]");
        AttentionChecks.Separate("output", Output, Inputs);
        AttentionChecks.Separate("logSumExp", LogSumExp, Inputs);
        AttentionChecks.Separate("scores", Scores, Inputs);
        OpCheck.Apart(
            Op, [("output", Output), ("logSumExp", LogSumExp), ("scores", Scores)], []);
    }
}

/// <summary>
/// Gradients of attention by recomputation: with P the weights, δ = rowsum(dO ⊙ O),
/// dV = Pᵀ·dO, dS = P ⊙ (dO·Vᵀ − δ) (times 1 − tanh² under a soft cap), dQ = scale·dS·K,
/// dK = scale·dSᵀ·Q.
/// </summary>
/// <remarks>Dao et al. 2022, appendix B.2. Query, key and value gradients are overwritten, the
/// bias gradient is added to. Grouped heads sum their gradients. No Sq×Skv buffer.</remarks>
public readonly record struct AttentionBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "FusedAttention";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>Inputs, sizes and options of the forward call.</summary>
    public AttentionInputs Inputs { get; init; }

    /// <summary>[B, Hq, Sq, Dv] of the forward call, OutputStrides.</summary>
    public BufferView Output { get; init; }

    /// <summary>[B, Hq, Sq] of the forward call.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>[B, Hq, Sq, Dv], OutputStrides.</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[B, Hq, Sq, D], QueryStrides; overwritten.</summary>
    public BufferView QueryGradient { get; init; }

    /// <summary>[B, Hkv, Skv, D], KeyStrides; overwritten.</summary>
    public BufferView KeyGradient { get; init; }

    /// <summary>[B, Hkv, Skv, Dv], ValueStrides; overwritten.</summary>
    public BufferView ValueGradient { get; init; }

    /// <summary>Laid out as the bias; added to, summed over broadcast axes; optional.</summary>
    public BufferView BiasGradient { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        AttentionChecks.Inputs(Inputs);
        AttentionSizes s = Inputs.Sizes;
        long rows = OpCheck.Count(s.Batch, s.QueryHeads, s.QueryLength);
        AttentionStrides output = Inputs.EffectiveOutputStrides;
        AttentionChecks.Strided("output", Output, output, s.Batch, s.QueryHeads, s.QueryLength,
            s.ValueDimension);
        AttentionChecks.Strided("outputGradient", OutputGradient, output, s.Batch, s.QueryHeads,
            s.QueryLength, s.ValueDimension);
        OpCheck.Floats(Op, "logSumExp", LogSumExp, rows,
            $"[{s.Batch}, {s.QueryHeads}, {s.QueryLength}]");
        AttentionChecks.Written("queryGradient", QueryGradient, Inputs.EffectiveQueryStrides,
            s.Batch, s.QueryHeads, s.QueryLength, s.HeadDimension);
        AttentionChecks.Written("keyGradient", KeyGradient, Inputs.EffectiveKeyStrides, s.Batch,
            s.KeyValueHeads, s.KeyLength, s.HeadDimension);
        AttentionChecks.Written("valueGradient", ValueGradient, Inputs.EffectiveValueStrides,
            s.Batch, s.KeyValueHeads, s.KeyLength, s.ValueDimension);
        OpCheck.IsFloat(Op, "biasGradient", BiasGradient);
        if (BiasGradient.IsPresent && BiasGradient.Length != Inputs.Bias.Length)
        {
            OpCheck.Throw(Op, $"'biasGradient' has {BiasGradient.Length} elements; expected " +
                $"{Inputs.Bias.Length}, as the bias has. Pass a buffer of that size.");
        }

        AttentionChecks.Separate("queryGradient", QueryGradient, Inputs);
        AttentionChecks.Separate("keyGradient", KeyGradient, Inputs);
        AttentionChecks.Separate("valueGradient", ValueGradient, Inputs);
        AttentionChecks.Separate("biasGradient", BiasGradient, Inputs);
        SeparateGradients();
    }

    private void SeparateGradients()
    {
        ReadOnlySpan<(string, BufferView)> forward = [("output", Output),
            ("logSumExp", LogSumExp), ("outputGradient", OutputGradient)];
        OpCheck.Apart(Op, [("queryGradient", QueryGradient)], forward);
        OpCheck.Apart(Op, [("keyGradient", KeyGradient)], forward);
        OpCheck.Apart(Op, [("valueGradient", ValueGradient)], forward);
        OpCheck.Apart(Op, [("biasGradient", BiasGradient)], forward);
        OpCheck.Apart(Op, [("biasGradient", BiasGradient)], [("queryGradient", QueryGradient),
            ("keyGradient", KeyGradient), ("valueGradient", ValueGradient)]);
        // Gradients of a packed query-key-value tensor interleave: their rows, not their ranges,
        // lie apart.
        bool interleaved = Inputs.QueryStrides != default || Inputs.KeyStrides != default ||
            Inputs.ValueStrides != default;
        bool same = QueryGradient.Address == KeyGradient.Address ||
            QueryGradient.Address == ValueGradient.Address ||
            KeyGradient.Address == ValueGradient.Address;
        if (interleaved && !same) return;
        OpCheck.Apart(Op, [("queryGradient", QueryGradient), ("keyGradient", KeyGradient),
            ("valueGradient", ValueGradient)], []);
    }
}

internal static class AttentionChecks
{
    private const string Op = "FusedAttention";

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
        Strided("query", inputs.Query, inputs.EffectiveQueryStrides, s.Batch, s.QueryHeads,
            s.QueryLength, s.HeadDimension);
        Strided("key", inputs.Key, inputs.EffectiveKeyStrides, s.Batch, s.KeyValueHeads,
            s.KeyLength, s.HeadDimension);
        Strided("value", inputs.Value, inputs.EffectiveValueStrides, s.Batch, s.KeyValueHeads,
            s.KeyLength, s.ValueDimension);
        Layout("mask", inputs.Mask, inputs.MaskLayout, s);
        Layout("bias", inputs.Bias, inputs.BiasLayout, s);
        if (inputs.Mask.IsPresent && inputs.Mask.DType != DType.Bool)
        {
            OpCheck.Throw(Op, $"'mask' is {inputs.Mask.DType}; expected Bool, true = may " +
                "attend. Pass numbers to be added as 'bias'.");
        }

        OpCheck.IsFloat(Op, "bias", inputs.Bias);
        OpCheck.ExactlyOrAbsent(Op, "keyLengths", inputs.KeyLengths, s.Batch, $"[{s.Batch}]");
        OpCheck.IsInt32(Op, "keyLengths", inputs.KeyLengths);
        Options(inputs.Options);
    }

    public static void Strided(
        string argument, BufferView view, AttentionStrides strides, int batch, int heads,
        int length, int dimension)
    {
        if (batch == 0 || length == 0) return;
        if (strides.Batch < 0 || strides.Head < 0 || strides.Sequence < 0)
        {
            OpCheck.Throw(Op, $"'{argument}' has strides ({strides.Batch}, {strides.Head}, " +
                $"{strides.Sequence}, 1); expected 0 or more. Pass a view that runs forwards.");
        }

        long needed = Extent(batch, strides.Batch, heads, strides.Head, length, strides.Sequence,
            dimension);
        OpCheck.AtLeast(Op, argument, view, needed,
            $"[{batch}, {heads}, {length}, {dimension}] with strides ({strides.Batch}, " +
            $"{strides.Head}, {strides.Sequence}, 1)");
        OpCheck.IsFloat(Op, argument, view);
    }

    /// <summary>As <see cref="Strided"/>, for a tensor whose rows may not share elements.
    /// </summary>
    public static void Written(
        string argument, BufferView view, AttentionStrides strides, int batch, int heads,
        int length, int dimension)
    {
        Strided(argument, view, strides, batch, heads, length, dimension);
        if (batch == 0 || length == 0) return;
        Span<(long Stride, int Size)> axes = [(strides.Batch, batch), (strides.Head, heads),
            (strides.Sequence, length)];
        axes.Sort(static (a, b) => a.Stride.CompareTo(b.Stride));
        Int128 extent = dimension;
        foreach ((long stride, int size) in axes)
        {
            if (size == 1) continue;
            if (stride < extent)
            {
                OpCheck.Throw(Op, $"'{argument}' is written, but with strides ({strides.Batch}, " +
                    $"{strides.Head}, {strides.Sequence}, 1) rows of [{batch}, {heads}, " +
                    $"{length}, {dimension}] overlap. Use strides that keep them apart.");
            }

            extent += (Int128)(size - 1) * stride;
        }
    }

    public static void Separate(string argument, BufferView output, in AttentionInputs inputs)
    {
        OpCheck.NoOverlap(Op, argument, output, "query", inputs.Query);
        OpCheck.NoOverlap(Op, argument, output, "key", inputs.Key);
        OpCheck.NoOverlap(Op, argument, output, "value", inputs.Value);
        OpCheck.NoOverlap(Op, argument, output, "mask", inputs.Mask);
        OpCheck.NoOverlap(Op, argument, output, "bias", inputs.Bias);
        OpCheck.NoOverlap(Op, argument, output, "keyLengths", inputs.KeyLengths);
    }

    private static void Layout(
        string argument, BufferView view, AttentionMaskLayout layout, AttentionSizes s)
    {
        if (view.IsAbsent || s.Batch == 0 || s.QueryLength == 0) return;
        if (layout.Batch < 0 || layout.Head < 0 || layout.Query < 0 || layout.KeyCount < 0 ||
            layout.KeyCount > s.KeyLength)
        {
            OpCheck.Throw(Op, $"'{argument}' has strides ({layout.Batch}, {layout.Head}, " +
                $"{layout.Query}, 1) and {layout.KeyCount} keys a row; expected strides of 0 or " +
                $"more and 0 to {s.KeyLength} keys. Use AttentionMaskLayout.FromShape.");
        }

        if (layout.KeyCount == 0) return;
        long needed = Extent(s.Batch, layout.Batch, s.QueryHeads, layout.Head, s.QueryLength,
            layout.Query, layout.KeyCount);
        OpCheck.AtLeast(Op, argument, view, needed, $"strides ({layout.Batch}, {layout.Head}, " +
            $"{layout.Query}, 1) and {layout.KeyCount} keys a row");
    }

    private static long Extent(
        int batch, long batchStride, int heads, long headStride, int length, long stride,
        int dimension) => (long)Int128.Min(long.MaxValue, dimension +
            ((Int128)(batch - 1) * batchStride) + ((Int128)(heads - 1) * headStride) +
            ((Int128)(length - 1) * stride));

    private static void Options(in AttentionOptions options)
    {
        OpCheck.InRange(Op, "Scale", options.Scale, 0, float.MaxValue);
        OpCheck.InRange(Op, "SoftCap", options.SoftCap, 0, float.MaxValue);
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

    private static void ThrowHeads(AttentionSizes s)
    {
        IEnumerable<int> divisors = Enumerable.Range(1, s.QueryHeads)
            .Where(h => s.QueryHeads % h == 0);
        OpCheck.Throw(Op, $"'key' has {s.KeyValueHeads} heads; 'query' has {s.QueryHeads}, which " +
            $"is not a multiple. Use Hkv in {{{string.Join(", ", divisors)}}}.");
    }
}
