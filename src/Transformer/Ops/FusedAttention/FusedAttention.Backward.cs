using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

public static unsafe partial class FusedAttention
{
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
        Backward<float>(query, key, value, output, logSumExp, outputGradient, default, sizes,
            options, queryGradient, keyGradient, valueGradient, default, backend);

    /// <inheritdoc cref="Backward{T}(ReadOnlySpan{T}, ReadOnlySpan{T}, ReadOnlySpan{T},
    /// ReadOnlySpan{T}, ReadOnlySpan{float}, ReadOnlySpan{T}, in AttentionExtras,
    /// in AttentionSizes, in AttentionOptions, Span{T}, Span{T}, Span{T},
    /// in AttentionExtraGradients, Backend)"/>
    public static void Backward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        ReadOnlySpan<float> output, ReadOnlySpan<float> logSumExp,
        ReadOnlySpan<float> outputGradient, in AttentionExtras extras, in AttentionSizes sizes,
        in AttentionOptions options, Span<float> queryGradient, Span<float> keyGradient,
        Span<float> valueGradient, in AttentionExtraGradients extraGradients = default,
        Backend? backend = null) =>
        Backward<float>(query, key, value, output, logSumExp, outputGradient, extras, sizes,
            options, queryGradient, keyGradient, valueGradient, extraGradients, backend);

    /// <summary>Gradients of attention on float, <see cref="Half"/> or <see cref="BFloat16"/> with
    /// every optional input.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
    /// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
    /// <param name="outputGradient">[B, Hq, Sq, Dv].</param>
    /// <param name="extras">The forward call's.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="queryGradient">[B, Hq, Sq, D], overwritten.</param>
    /// <param name="keyGradient">[B, Hkv, Skv, D], overwritten; summed over grouped heads.</param>
    /// <param name="valueGradient">[B, Hkv, Skv, Dv], overwritten; summed over grouped heads.
    /// </param>
    /// <param name="extraGradients">Of bias, relative bias and sinks; added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call, or the score
    /// modifier has no derivative.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> query, ReadOnlySpan<T> key, ReadOnlySpan<T> value,
        ReadOnlySpan<T> output, ReadOnlySpan<float> logSumExp, ReadOnlySpan<T> outputGradient,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        Span<T> queryGradient, Span<T> keyGradient, Span<T> valueGradient,
        in AttentionExtraGradients extraGradients = default, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* q = query, k = key, v = value, o = output, g = outputGradient,
            dq = queryGradient, dk = keyGradient, dv = valueGradient)
        fixed (float* l = logSumExp, db = extraGradients.Bias, dr = extraGradients.RelativeBias,
            ds = extraGradients.Sinks)
        {
            Run(extras, sizes, options, backend, new AttentionBackward
            {
                Inputs = new()
                {
                    Query = BufferView.Of(q, query.Length),
                    Key = BufferView.Of(k, key.Length),
                    Value = BufferView.Of(v, value.Length),
                },
                Output = BufferView.Of(o, output.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                OutputGradient = BufferView.Of(g, outputGradient.Length),
                QueryGradient = BufferView.Of(dq, queryGradient.Length),
                KeyGradient = BufferView.Of(dk, keyGradient.Length),
                ValueGradient = BufferView.Of(dv, valueGradient.Length),
                BiasGradient = BufferView.Of(db, extraGradients.Bias.Length),
                RelativeBiasGradient =
                    BufferView.Of(dr, extraGradients.RelativeBias.Length),
                SinkGradient = BufferView.Of(ds, extraGradients.Sinks.Length),
            });
        }
    }

    /// <summary>Gradients of attention whose scores a struct of yours changes.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
    /// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
    /// <param name="outputGradient">[B, Hq, Sq, Dv].</param>
    /// <param name="extras">The forward call's.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="score">The forward call's.</param>
    /// <param name="queryGradient">[B, Hq, Sq, D], overwritten.</param>
    /// <param name="keyGradient">[B, Hkv, Skv, D], overwritten; summed over grouped heads.</param>
    /// <param name="valueGradient">[B, Hkv, Skv, Dv], overwritten; summed over grouped heads.
    /// </param>
    /// <param name="extraGradients">Of bias, relative bias and sinks; added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T, TScore>(
        ReadOnlySpan<T> query, ReadOnlySpan<T> key, ReadOnlySpan<T> value,
        ReadOnlySpan<T> output, ReadOnlySpan<float> logSumExp, ReadOnlySpan<T> outputGradient,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        TScore score, Span<T> queryGradient, Span<T> keyGradient, Span<T> valueGradient,
        in AttentionExtraGradients extraGradients = default, Backend? backend = null)
        where T : unmanaged where TScore : struct, IDifferentiableScoreModifier
    {
        RequireNoScore(extras);
        using ScoreModifier.Loan<TScore> loan = ScoreModifier.LendDifferentiable(score);
        Backward(query, key, value, output, logSumExp, outputGradient,
            extras with { Score = loan.Modifier }, sizes, options, queryGradient, keyGradient,
            valueGradient, extraGradients, backend);
    }

    /// <summary>Gradients of attention on native memory; the pointers are trusted to the lengths
    /// that the call states.</summary>
    /// <param name="call">Made of views from <see cref="BufferView.Of{T}"/>.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A view does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward(in AttentionBackward call, Backend? backend = null) =>
        SpanEntry.Run(backend, call);
}
