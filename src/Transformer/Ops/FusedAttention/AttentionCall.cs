using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>What forward and backward calls of attention share.</summary>
/// <typeparam name="TSelf">The call.</typeparam>
public interface IAttentionCall<TSelf> : IOpCall where TSelf : struct, IAttentionCall<TSelf>
{
    /// <summary>Inputs, sizes and options.</summary>
    AttentionInputs Inputs { get; }

    /// <summary>The same call with other inputs.</summary>
    /// <param name="inputs">Inputs, sizes and options.</param>
    TSelf With(in AttentionInputs inputs);
}

/// <summary>
/// output = softmax(scale·query·keyᵀ + bias, over visible keys)·value, by online softmax.
/// </summary>
/// <remarks>
/// Vaswani et al. 2017, eq. 1; Milakov, Gimelshein 2018 (online softmax); Dao et al. 2022
/// (tiling). Order of operations: scale, soft cap, score modifier, bias and position terms,
/// visibility, softmax (a sink in its denominator), dropout, product. A row that sees no key gives
/// zeros and log-sum-exp −∞; hidden keys may hold NaN.
/// </remarks>
public readonly record struct AttentionForward : IAttentionCall<AttentionForward>
{
    /// <inheritdoc/>
    public static string Op => "FusedAttention";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>Inputs, sizes and options.</summary>
    public AttentionInputs Inputs { get; init; }

    /// <summary>[B, Hq, Sq, Dv].</summary>
    public BufferView Output { get; init; }

    /// <summary>[B, Hq, Sq], packed [Hq, TotalQueries]: natural log-sum-exp of the final scores,
    /// the sink included; optional; needed by the backward pass.</summary>
    public BufferView LogSumExp { get; init; }

    /// <summary>[B, Hq, Sq, Skv], contiguous; present exactly where ScoreOutput asks for it. Pairs
    /// of a query and a key that no sequence has are 0 before the masks and hidden after them.
    /// </summary>
    public BufferView Scores { get; init; }

    /// <summary>Which scores are written.</summary>
    public ScoreOutput ScoreOutput { get; init; }

    /// <inheritdoc/>
    public AttentionForward With(in AttentionInputs inputs) => this with { Inputs = inputs };

    /// <inheritdoc/>
    public void Validate()
    {
        AttentionChecks.Inputs(Inputs);
        AttentionSizes s = Inputs.Sizes;
        long rows = OpCheck.Count(Inputs.QueryRows, s.QueryHeads);
        ShapeText rowShape = Inputs.RowShape;
        StridedCheck.Written(Op, "output", Output, Inputs.EffectiveOutputStrides,
            Inputs.QueryExtent, s.QueryHeads, s.ValueDimension);
        OpCheck.Defined(Op, nameof(ScoreOutput), ScoreOutput);
        OpCheck.FloatsOrAbsent(Op, "logSumExp", LogSumExp, rows, rowShape);
        long scores = OpCheck.Count(s.Batch, s.QueryHeads, s.QueryLength, s.KeyLength);
        if (Scores.IsPresent != (ScoreOutput != ScoreOutput.None) && scores > 0)
        {
            OpCheck.Throw(Op, $"'scores' is {(Scores.IsPresent ? "present" : "absent")} with " +
                $"ScoreOutput.{ScoreOutput}. Pass a buffer exactly when scores are asked for.");
        }

        OpCheck.FloatsOrAbsent(Op, "scores", Scores, scores,
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
/// dK = scale·dSᵀ·Q. Dropout scales P in dV and dO·Vᵀ alike; a sink z has dz = −Σ exp(z − L)·δ.
/// </summary>
/// <remarks>Dao et al. 2022, appendix B.2. Query, key and value gradients are overwritten, the
/// bias gradient is added to. Grouped heads sum their gradients. No Sq×Skv buffer.</remarks>
public readonly record struct AttentionBackward : IAttentionCall<AttentionBackward>
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

    /// <summary>[buckets, Hq]; added to, summed over sequences, queries and keys; optional.
    /// </summary>
    public BufferView RelativeBiasGradient { get; init; }

    /// <summary>[Hq]; added to, summed over sequences and queries; optional.</summary>
    public BufferView SinkGradient { get; init; }

    /// <inheritdoc/>
    public AttentionBackward With(in AttentionInputs inputs) => this with { Inputs = inputs };

    /// <inheritdoc/>
    public void Validate()
    {
        AttentionChecks.Inputs(Inputs);
        AttentionSizes s = Inputs.Sizes;
        AttentionStrides output = Inputs.EffectiveOutputStrides;
        StridedCheck.Read(Op, "output", Output, output, Inputs.QueryExtent, s.QueryHeads,
            s.ValueDimension);
        StridedCheck.Read(Op, "outputGradient", OutputGradient, output, Inputs.QueryExtent,
            s.QueryHeads, s.ValueDimension);
        OpCheck.Floats(Op, "logSumExp", LogSumExp, OpCheck.Count(Inputs.QueryRows, s.QueryHeads),
            Inputs.RowShape);
        StridedCheck.Written(Op, "queryGradient", QueryGradient,
            Inputs.EffectiveQueryStrides, Inputs.QueryExtent, s.QueryHeads, s.HeadDimension);
        StridedCheck.Written(Op, "keyGradient", KeyGradient, Inputs.EffectiveKeyStrides,
            Inputs.KeyExtent, s.KeyValueHeads, s.HeadDimension);
        StridedCheck.Written(Op, "valueGradient", ValueGradient,
            Inputs.EffectiveValueStrides, Inputs.KeyExtent, s.KeyValueHeads, s.ValueDimension);
        SumGradient("biasGradient", BiasGradient, "bias", Inputs.Bias);
        if (BiasGradient.IsPresent) BiasRowsApart(Inputs.BiasLayout, s);
        SumGradient("relativeBiasGradient", RelativeBiasGradient, "relativeBias",
            Inputs.RelativeBias);
        SumGradient("sinkGradient", SinkGradient, "sinks", Inputs.Sinks);
        AttentionChecks.Separate("queryGradient", QueryGradient, Inputs);
        AttentionChecks.Separate("keyGradient", KeyGradient, Inputs);
        AttentionChecks.Separate("valueGradient", ValueGradient, Inputs);
        AttentionChecks.Separate("biasGradient", BiasGradient, Inputs);
        AttentionChecks.Separate("relativeBiasGradient", RelativeBiasGradient, Inputs);
        AttentionChecks.Separate("sinkGradient", SinkGradient, Inputs);
        SeparateGradients();
    }

    private void SeparateGradients()
    {
        ReadOnlySpan<(string, BufferView)> forward = [("output", Output),
            ("logSumExp", LogSumExp), ("outputGradient", OutputGradient)];
        OpCheck.Apart(Op, [("queryGradient", QueryGradient)], forward);
        OpCheck.Apart(Op, [("keyGradient", KeyGradient)], forward);
        OpCheck.Apart(Op, [("valueGradient", ValueGradient)], forward);
        OpCheck.Apart(Op, [("biasGradient", BiasGradient),
            ("relativeBiasGradient", RelativeBiasGradient), ("sinkGradient", SinkGradient)],
            [("output", Output), ("logSumExp", LogSumExp), ("outputGradient", OutputGradient),
            ("queryGradient", QueryGradient), ("keyGradient", KeyGradient),
            ("valueGradient", ValueGradient)]);
        AttentionSizes s = Inputs.Sizes;
        InterleavedRows query = new(QueryGradient, Inputs.EffectiveQueryStrides, s.QueryHeads,
            s.HeadDimension);
        InterleavedRows key = new(KeyGradient, Inputs.EffectiveKeyStrides, s.KeyValueHeads,
            s.HeadDimension);
        InterleavedRows value = new(ValueGradient, Inputs.EffectiveValueStrides, s.KeyValueHeads,
            s.ValueDimension);
        if (!query.LiesApart(key))
            OpCheck.Apart(Op, [("queryGradient", QueryGradient)], [("keyGradient", KeyGradient)]);
        if (!query.LiesApart(value))
        {
            OpCheck.Apart(
                Op, [("queryGradient", QueryGradient)], [("valueGradient", ValueGradient)]);
        }

        if (!key.LiesApart(value))
            OpCheck.Apart(Op, [("keyGradient", KeyGradient)], [("valueGradient", ValueGradient)]);
    }

    /// <summary>The rows of one gradient in a tensor that may hold others between them, such as
    /// packed query, key and value.</summary>
    private readonly ref struct InterleavedRows(
        BufferView view, AttentionStrides strides, int heads, int dimension)
    {
        private readonly long period = strides.Sequence;
        private readonly DType type = view.DType;
        private readonly nint address = view.Address;
        private readonly Int128 width = ((Int128)(heads - 1) * strides.Head) + dimension;
        private readonly bool repeats = strides.Sequence > 0 &&
            strides.Batch % strides.Sequence == 0;

        /// <summary>True when both repeat with one period and their parts of it do not meet.
        /// </summary>
        public bool LiesApart(in InterleavedRows other)
        {
            if (type != other.type || period != other.period || !repeats || !other.repeats ||
                width > period || other.width > period)
            {
                return false;
            }

            (long elements, long rest) = Math.DivRem((long)(other.address - address),
                (long)type.Size());
            long distance = ((elements % period) + period) % period;
            return rest == 0 && distance >= width && distance + other.width <= period;
        }
    }

    /// <summary>A bias may be read through rows that overlap; its gradient may not be written so.
    /// </summary>
    private static void BiasRowsApart(AttentionMaskLayout layout, in AttentionSizes s)
    {
        Span<(long Stride, int Size)> axes = [(layout.Batch, s.Batch),
            (layout.Head, s.QueryHeads), (layout.Query, s.QueryLength)];
        axes.Sort(static (a, b) => a.Stride.CompareTo(b.Stride));
        Int128 end = layout.KeyCount;
        foreach ((long stride, int size) in axes)
        {
            // Stride 0 broadcasts: those rows are summed.
            if (size <= 1 || stride == 0) continue;
            if (stride < end)
            {
                OpCheck.Throw(Op, "'biasGradient' is written, but with the bias's strides (" +
                    $"{layout.Batch}, {layout.Head}, {layout.Query}, 1) rows of " +
                    $"{layout.KeyCount} keys overlap. Copy the bias to rows that lie apart.");
            }

            end += (Int128)(size - 1) * stride;
        }
    }

    private static void SumGradient(
        string argument, BufferView gradient, string input, BufferView view)
    {
        OpCheck.IsFloat(Op, argument, gradient);
        if (gradient.IsAbsent || gradient.Length == view.Length) return;
        OpCheck.Throw(Op, $"'{argument}' has {gradient.Length} elements; expected " +
            $"{view.Length}, as '{input}' has. Pass a buffer of that size.");
    }
}
