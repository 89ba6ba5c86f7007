using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Attention on spans: softmax(scale·query·keyᵀ + bias, over visible keys)·value in one pass, no
/// buffer of size Sq×Skv.
/// </summary>
/// <remarks>
/// Vaswani et al. 2017, eq. 1; Dao et al. 2022 (tiling with online softmax). Where a span may be
/// empty, empty means absent. A query that sees no key gets zeros; hidden keys may hold NaN. Safe
/// to call from many threads; allocates nothing; results do not depend on the number of threads.
/// </remarks>
public static unsafe class FusedAttention
{
    /// <summary>Attention without mask and bias over contiguous tensors.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Scale, causal alignment, window, soft cap.</param>
    /// <param name="output">[B, Hq, Sq, Dv].</param>
    /// <param name="logSumExp">[B, Hq, Sq], natural log-sum-exp of the scores, which the backward
    /// pass needs; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        in AttentionSizes sizes, in AttentionOptions options, Span<float> output,
        Span<float> logSumExp = default, Backend? backend = null) =>
        Forward(query, key, value, default, sizes, options, output, logSumExp, backend: backend);

    /// <summary>Attention with mask, bias, key lengths, strides or score output.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="extras">Mask, bias, key lengths and strides.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Scale, causal alignment, window, soft cap.</param>
    /// <param name="output">[B, Hq, Sq, Dv].</param>
    /// <param name="logSumExp">[B, Hq, Sq]; may be empty.</param>
    /// <param name="scores">[B, Hq, Sq, Skv], receives what <paramref name="scoreOutput"/> asks
    /// for; empty where that is None.</param>
    /// <param name="scoreOutput">Which scores are written.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        Span<float> output, Span<float> logSumExp = default, Span<float> scores = default,
        ScoreOutput scoreOutput = ScoreOutput.None, Backend? backend = null)
    {
        // A mask or bias that is there but has no keys needs an address: it hides every key.
        bool noMask = false;
        float noBias = 0;
        fixed (float* q = query, k = key, v = value, o = output, l = logSumExp,
            s = scores)
        fixed (bool* m = AttentionExtras.OnlyShape(extras.Mask.IsEmpty, extras.MaskShape)
            ? new(ref noMask) : extras.Mask)
        fixed (float* b = AttentionExtras.OnlyShape(extras.Bias.IsEmpty, extras.BiasShape)
            ? new(ref noBias) : extras.Bias)
        fixed (int* n = extras.KeyLengths)
        {
            SpanEntry.Run(backend, new AttentionForward
            {
                Inputs = Inputs(
                    BufferView.Of(q, query.Length), BufferView.Of(k, key.Length),
                    BufferView.Of(v, value.Length), BufferView.Of(b, extras.Bias.Length),
                    BufferView.Of(m, extras.Mask.Length),
                    BufferView.Of(n, extras.KeyLengths.Length), extras, sizes, options),
                Output = BufferView.Of(o, output.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                Scores = BufferView.Of(s, scores.Length),
                ScoreOutput = scoreOutput,
            });
        }
    }

    /// <summary>Gradients of attention without mask and bias over contiguous tensors.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
    /// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
    /// <param name="outputGradient">[B, Hq, Sq, Dv].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="queryGradient">[B, Hq, Sq, D], overwritten.</param>
    /// <param name="keyGradient">[B, Hkv, Skv, D], overwritten; summed over grouped heads.</param>
    /// <param name="valueGradient">[B, Hkv, Skv, Dv], overwritten; summed over grouped heads.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        ReadOnlySpan<float> output, ReadOnlySpan<float> logSumExp,
        ReadOnlySpan<float> outputGradient, in AttentionSizes sizes, in AttentionOptions options,
        Span<float> queryGradient, Span<float> keyGradient, Span<float> valueGradient,
        Backend? backend = null) =>
        Backward(query, key, value, output, logSumExp, outputGradient, default, sizes, options,
            queryGradient, keyGradient, valueGradient, backend: backend);

    /// <summary>Gradients of attention with mask, bias, key lengths or strides.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
    /// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
    /// <param name="outputGradient">[B, Hq, Sq, Dv].</param>
    /// <param name="extras">Mask, bias, key lengths and strides of the forward call.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="queryGradient">[B, Hq, Sq, D], overwritten.</param>
    /// <param name="keyGradient">[B, Hkv, Skv, D], overwritten; summed over grouped heads.</param>
    /// <param name="valueGradient">[B, Hkv, Skv, Dv], overwritten; summed over grouped heads.
    /// </param>
    /// <param name="biasGradient">Of the bias's shape, added to; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        ReadOnlySpan<float> output, ReadOnlySpan<float> logSumExp,
        ReadOnlySpan<float> outputGradient, in AttentionExtras extras, in AttentionSizes sizes,
        in AttentionOptions options, Span<float> queryGradient, Span<float> keyGradient,
        Span<float> valueGradient, Span<float> biasGradient = default, Backend? backend = null)
    {
        // A mask or bias that is there but has no keys needs an address: it hides every key.
        bool noMask = false;
        float noBias = 0;
        fixed (float* q = query, k = key, v = value, o = output, l = logSumExp,
            g = outputGradient, dq = queryGradient, dk = keyGradient, dv = valueGradient,
            db = biasGradient)
        fixed (bool* m = AttentionExtras.OnlyShape(extras.Mask.IsEmpty, extras.MaskShape)
            ? new(ref noMask) : extras.Mask)
        fixed (float* b = AttentionExtras.OnlyShape(extras.Bias.IsEmpty, extras.BiasShape)
            ? new(ref noBias) : extras.Bias)
        fixed (int* n = extras.KeyLengths)
        {
            SpanEntry.Run(backend, new AttentionBackward
            {
                Inputs = Inputs(
                    BufferView.Of(q, query.Length), BufferView.Of(k, key.Length),
                    BufferView.Of(v, value.Length), BufferView.Of(b, extras.Bias.Length),
                    BufferView.Of(m, extras.Mask.Length),
                    BufferView.Of(n, extras.KeyLengths.Length), extras, sizes, options),
                Output = BufferView.Of(o, output.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                OutputGradient = BufferView.Of(g, outputGradient.Length),
                QueryGradient = BufferView.Of(dq, queryGradient.Length),
                KeyGradient = BufferView.Of(dk, keyGradient.Length),
                ValueGradient = BufferView.Of(dv, valueGradient.Length),
                BiasGradient = BufferView.Of(db, biasGradient.Length),
            });
        }
    }

    private static AttentionInputs Inputs(
        BufferView query, BufferView key, BufferView value, BufferView bias, BufferView mask,
        BufferView keyLengths, in AttentionExtras extras, in AttentionSizes sizes,
        in AttentionOptions options) => new()
        {
            Query = query,
            Key = key,
            Value = value,
            QueryStrides = extras.QueryStrides,
            KeyStrides = extras.KeyStrides,
            ValueStrides = extras.ValueStrides,
            OutputStrides = extras.OutputStrides,
            Mask = mask,
            MaskLayout = extras.MaskLayout(sizes),
            Bias = bias,
            BiasLayout = extras.BiasLayout(sizes),
            KeyLengths = keyLengths,
            Sizes = sizes,
            Options = options,
        };
}
