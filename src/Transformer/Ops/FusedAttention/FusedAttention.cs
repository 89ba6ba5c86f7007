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
/// Elements are float, <see cref="Half"/> or <see cref="BFloat16"/>; sums and softmax are binary32.
/// </remarks>
public static unsafe partial class FusedAttention
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
        Forward<float>(
            query, key, value, default, sizes, options, output, logSumExp, backend: backend);

    /// <inheritdoc cref="Forward{T}(ReadOnlySpan{T}, ReadOnlySpan{T}, ReadOnlySpan{T}, in
    /// AttentionExtras, in AttentionSizes, in AttentionOptions, Span{T}, Span{float}, Span{float},
    /// ScoreOutput, Backend)"/>
    public static void Forward(
        ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        Span<float> output, Span<float> logSumExp = default, Span<float> scores = default,
        ScoreOutput scoreOutput = ScoreOutput.None, Backend? backend = null) =>
        Forward<float>(query, key, value, extras, sizes, options, output, logSumExp, scores,
            scoreOutput, backend);

    /// <summary>Attention on float, <see cref="Half"/> or <see cref="BFloat16"/> with every
    /// optional input.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="extras">Mask, bias, lengths, position terms, strides and more.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Scale, causal alignment, window, soft cap, dropout.</param>
    /// <param name="output">[B, Hq, Sq, Dv].</param>
    /// <param name="logSumExp">[B, Hq, Sq], packed [Hq, total]; may be empty.</param>
    /// <param name="scores">[B, Hq, Sq, Skv], receives what <paramref name="scoreOutput"/> asks
    /// for; empty where that is None.</param>
    /// <param name="scoreOutput">Which scores are written.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> query, ReadOnlySpan<T> key, ReadOnlySpan<T> value,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        Span<T> output, Span<float> logSumExp = default, Span<float> scores = default,
        ScoreOutput scoreOutput = ScoreOutput.None, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* q = query, k = key, v = value, o = output)
        fixed (float* l = logSumExp, s = scores)
        {
            Run(extras, sizes, options, backend, new AttentionForward
            {
                Inputs = new()
                {
                    Query = BufferView.Of(q, query.Length),
                    Key = BufferView.Of(k, key.Length),
                    Value = BufferView.Of(v, value.Length),
                },
                Output = BufferView.Of(o, output.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                Scores = BufferView.Of(s, scores.Length),
                ScoreOutput = scoreOutput,
            });
        }
    }

    /// <summary>Attention whose scores a struct of yours changes or hides; its methods are compiled
    /// into the kernel.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="key">[B, Hkv, Skv, D].</param>
    /// <param name="value">[B, Hkv, Skv, Dv].</param>
    /// <param name="extras">Mask, bias, lengths, position terms, strides and more.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Scale, causal alignment, window, soft cap, dropout.</param>
    /// <param name="score">Applied after scale and soft cap, before bias and masks.</param>
    /// <param name="output">[B, Hq, Sq, Dv].</param>
    /// <param name="logSumExp">[B, Hq, Sq], packed [Hq, total]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T, TScore>(
        ReadOnlySpan<T> query, ReadOnlySpan<T> key, ReadOnlySpan<T> value,
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        TScore score, Span<T> output, Span<float> logSumExp = default, Backend? backend = null)
        where T : unmanaged where TScore : struct, IScoreModifier
    {
        RequireNoScore(extras);
        using ScoreModifier.Loan<TScore> loan = ScoreModifier.Lend(score);
        Forward(query, key, value, extras with { Score = loan.Modifier }, sizes, options, output,
            logSumExp, backend: backend);
    }

    private static void RequireNoScore(in AttentionExtras extras)
    {
        if (extras.Score is not { } given) return;
        OpCheck.Throw("FusedAttention", $"two score modifiers are given, '{given.Name}' among " +
            "the extras and another as an argument; expected one. Compose them in one struct.");
    }

    /// <summary>Attention on native memory; the pointers are trusted to the lengths that the call
    /// states.</summary>
    /// <param name="call">Made of views from <see cref="BufferView.Of{T}"/>.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A view does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(in AttentionForward call, Backend? backend = null) =>
        SpanEntry.Run(backend, call);

    /// <summary>Adds every optional input to the call's operands and runs it.</summary>
    private static void Run<TCall>(
        in AttentionExtras extras, in AttentionSizes sizes, in AttentionOptions options,
        Backend? backend, in TCall call) where TCall : struct, IAttentionCall<TCall>
    {
        fixed (int* lengths = extras.KeyLengths, queryOffsets = extras.QueryOffsets,
            keyOffsets = extras.KeyOffsets, table = extras.BlockTable)
        fixed (bool* blocks = extras.BlockMask)
        {
            Run(extras, backend, call.With(call.Inputs with
            {
                QueryStrides = extras.QueryStrides,
                KeyStrides = extras.KeyStrides,
                ValueStrides = extras.ValueStrides,
                OutputStrides = extras.OutputStrides,
                KeyLengths = BufferView.Of(lengths, extras.KeyLengths.Length),
                QueryOffsets = BufferView.Of(queryOffsets, extras.QueryOffsets.Length),
                KeyOffsets = BufferView.Of(keyOffsets, extras.KeyOffsets.Length),
                TotalQueries = extras.QueryOffsets.IsEmpty ? 0 : extras.QueryOffsets[^1],
                TotalKeys = extras.KeyOffsets.IsEmpty ? 0 : extras.KeyOffsets[^1],
                BlockTable = BufferView.Of(table, extras.BlockTable.Length),
                PageSize = extras.PageSize,
                PageCount = extras.PageCount,
                BlockMask = BufferView.Of(blocks, extras.BlockMask.Length),
                BlockSize = extras.BlockSize,
                Sizes = sizes,
                Options = options,
            }));
        }
    }

    /// <summary>Adds what changes scores and weights to a call and runs it: mask, bias, position
    /// terms, sinks, dropout, score modifier.</summary>
    /// <param name="extras">Of these alone; where sequences lie and how long they are, the call
    /// says.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <param name="call">With operands, layout, sizes and options.</param>
    internal static void Run<TCall>(in AttentionExtras extras, Backend? backend, in TCall call)
        where TCall : struct, IAttentionCall<TCall>
    {
        AttentionInputs inputs = call.Inputs;
        // A mask or bias that is there but has no keys needs an address: it hides every key.
        bool noMask = false;
        float noBias = 0;
        long* state = stackalloc long[2] { extras.DropoutSeed, extras.DropoutStep };
        fixed (bool* mask = AttentionExtras.OnlyShape(extras.Mask.IsEmpty, extras.MaskShape)
            ? new(ref noMask) : extras.Mask)
        fixed (float* bias = AttentionExtras.OnlyShape(extras.Bias.IsEmpty, extras.BiasShape)
            ? new(ref noBias) : extras.Bias)
        fixed (float* slopes = extras.AlibiSlopes, relative = extras.RelativeBias,
            sinks = extras.Sinks)
        {
            SpanEntry.Run(backend, call.With(inputs with
            {
                Mask = BufferView.Of(mask, extras.Mask.Length),
                MaskLayout = extras.MaskLayout(inputs.Sizes),
                Bias = BufferView.Of(bias, extras.Bias.Length),
                BiasLayout = extras.BiasLayout(inputs.Sizes),
                AlibiSlopes = BufferView.Of(slopes, extras.AlibiSlopes.Length),
                RelativeBias = BufferView.Of(relative, extras.RelativeBias.Length),
                Sinks = BufferView.Of(sinks, extras.Sinks.Length),
                RandomState = BufferView.Of(state, 2),
                Score = extras.Score,
            }));
        }
    }
}
