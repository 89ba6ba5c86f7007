using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output = softmax(scale·q·kᵀ, capped, biased, over visible keys)·v on vector units.
/// </summary>
/// <remarks>
/// Shapes: as <see cref="AttentionInputs"/>.
/// Work: <see cref="AttentionForwardTiles{T, TScore}"/> computes output and log-sum-exp; scores
/// that are asked for are written afterwards by <see cref="AttentionScoreWriter{T, TScore}"/>.
/// Bytes: q, k, v and output once a unit of tiles; scores only where asked for.
/// Numerics: binary32 throughout, 16-bit operands converted as they are read and results rounded
/// once; a hidden key has weight 0 by selection and its value row is never multiplied; a row
/// without visible keys gives 0 and −∞.
/// Preconditions: a validated call; Float32, Float16 or BFloat16 buffers, the log-sum-exp Float32.
/// Source: Dao et al. 2022; Milakov, Gimelshein 2018.
/// </remarks>
internal sealed class FusedAttentionForwardSimd : IKernel<AttentionForward>
{
    /// <inheritdoc/>
    public bool Supports(in AttentionForward call, out string? reason)
    {
        reason = AttentionProblem.Unsupported(call.Inputs) ??
            SimdSupport.Storage("output", call.Output) ??
            SimdSupport.Float32("logSumExp", call.LogSumExp) ??
            SimdSupport.Storage("scores", call.Scores);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in AttentionForward call) =>
        SimdDispatch.Run(new AttentionForwardAction(call));

    /// <summary>Runs with vectors of a given width.</summary>
    internal static void Run<T>(in AttentionForward call) where T : struct, ISimdFloat<T>
    {
        ModifiedAction<T> action = new(call);
        if (call.Inputs.Score is { } score) score.Dispatch(action);
        else action.Run(default(NoScoreModifier));
    }

    private static unsafe void Run<T, TScore>(in AttentionForward call, TScore score)
        where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes sizes = inputs.Sizes;
        if (sizes.Batch == 0 || sizes.QueryLength == 0) return;
        long rows = inputs.QueryRows * sizes.QueryHeads;
        bool writesScores = call.ScoreOutput != ScoreOutput.None && sizes.KeyLength > 0;
        using HostBlock terms = HostMemory.Rent(AttentionTerms.Bytes(inputs));
        AttentionProblem problem = new(inputs, terms, writesKeys: false, writesScores);
        if (rows == 0 || problem.Sizes.QueryLength == 0)
        {
            if (writesScores) FillScores(call);
            return;
        }

        bool needsSum = call.ScoreOutput == ScoreOutput.Probabilities && call.LogSumExp.IsAbsent;
        using HostBlock ownSum = needsSum ? HostMemory.Rent(rows * sizeof(float)) : default;
        float* logSumExp = needsSum ? ownSum.Pointer<float>() : call.LogSumExp.Pointer<float>();
        AttentionOperand output =
            new(call.Output, inputs.EffectiveOutputStrides, sizes.ValueDimension);
        AttentionForwardTiles<T, TScore>.Run(problem, score, output, logSumExp);
        if (writesScores)
        {
            AttentionScoreWriter<T, TScore>.Run(
                problem, score, call.Scores, logSumExp, call.ScoreOutput);
        }
    }

    // Packed sequences without queries: their widths may then be any number.
    private static void FillScores(in AttentionForward call)
    {
        float none = call.ScoreOutput == ScoreOutput.Masked ? float.NegativeInfinity : 0;
        for (long i = 0; i < call.Scores.Length; i++) ReferenceBuffers.Set(call.Scores, i, none);
    }

    private readonly struct AttentionForwardAction(AttentionForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T> =>
            FusedAttentionForwardSimd.Run<T>(call);
    }

    private readonly struct ModifiedAction<T>(AttentionForward call) : IScoreAction
        where T : struct, ISimdFloat<T>
    {
        public void Run<TScore>(TScore score) where TScore : struct, IScoreModifier =>
            FusedAttentionForwardSimd.Run<T, TScore>(call, score);
    }
}

/// <summary>Gradients of attention by recomputation on vector units.</summary>
/// <remarks>
/// Shapes: as <see cref="AttentionBackward"/>.
/// Work: <see cref="AttentionGradientTiles{T, TScore}"/> computes dQ, dK and dV; where they are
/// asked for, <see cref="AttentionBiasGradient{T, TScore}"/> the gradient of the bias,
/// <see cref="AttentionRelativeGradient{T, TScore}"/> that of the relative table and
/// <see cref="AttentionSinkGradient"/> that of the sinks.
/// Memory: δ, a float a row of queries.
/// Bytes: operands and gradients once a tile; no buffer of Sq×Skv.
/// Numerics: as in <see cref="FusedAttentionForwardSimd"/>; every sum has a fixed order, so results
/// do not depend on the number of threads.
/// Preconditions: as the forward kernel; every score modifier has a derivative.
/// Source: Dao et al. 2022, appendix B.2.
/// </remarks>
internal sealed class FusedAttentionBackwardSimd : IKernel<AttentionBackward>
{
    /// <inheritdoc/>
    public bool Supports(in AttentionBackward call, out string? reason)
    {
        reason = AttentionProblem.Unsupported(call.Inputs) ??
            AttentionProblem.NoDerivative(call.Inputs.Score) ??
            SimdSupport.Storage("output", call.Output) ??
            SimdSupport.Float32("logSumExp", call.LogSumExp) ??
            SimdSupport.Storage("outputGradient", call.OutputGradient) ??
            SimdSupport.Storage("queryGradient", call.QueryGradient) ??
            SimdSupport.Storage("keyGradient", call.KeyGradient) ??
            SimdSupport.Storage("valueGradient", call.ValueGradient) ??
            SimdSupport.Storage("biasGradient", call.BiasGradient) ??
            SimdSupport.Storage("relativeBiasGradient", call.RelativeBiasGradient) ??
            SimdSupport.Storage("sinkGradient", call.SinkGradient);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in AttentionBackward call) =>
        SimdDispatch.Run(new AttentionBackwardAction(call));

    /// <summary>Runs with vectors of a given width.</summary>
    internal static void Run<T>(in AttentionBackward call) where T : struct, ISimdFloat<T>
    {
        ModifiedAction<T> action = new(call);
        if (call.Inputs.Score is { } score) score.DispatchBackward(action);
        else action.Run(default(NoScoreModifier));
    }

    private static unsafe void Run<T, TScore>(in AttentionBackward call, TScore score)
        where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes sizes = inputs.Sizes;
        if (sizes.Batch == 0 || (sizes.QueryLength == 0 && sizes.KeyLength == 0)) return;
        using HostBlock terms = HostMemory.Rent(AttentionTerms.Bytes(inputs));
        AttentionProblem problem = new(inputs, terms, writesKeys: true);
        if (problem.Sizes is { QueryLength: 0, KeyLength: 0 }) return;
        long rows = inputs.QueryRows * sizes.QueryHeads;
        using HostBlock deltas = HostMemory.Rent(Math.Max(1, rows) * sizeof(float));
        AttentionGradients gradients = new(call, deltas.Pointer<float>());
        AttentionGradientTiles<T, TScore>.Run(problem, score, gradients);
        if (rows == 0) return;
        if (call.BiasGradient.IsPresent)
        {
            AttentionBiasGradient<T, TScore>.Run(problem, score, gradients, call.BiasGradient);
        }

        if (call.RelativeBiasGradient.IsPresent)
        {
            AttentionRelativeGradient<T, TScore>.Run(problem, score, gradients,
                call.RelativeBiasGradient, inputs.Options.RelativeBuckets!.Value);
        }

        if (call.SinkGradient.IsPresent)
        {
            AttentionSinkGradient.Run(problem, gradients, call.SinkGradient);
        }
    }

    private readonly struct AttentionBackwardAction(AttentionBackward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T> =>
            FusedAttentionBackwardSimd.Run<T>(call);
    }

    private readonly struct ModifiedAction<T>(AttentionBackward call) : IScoreBackwardAction
        where T : struct, ISimdFloat<T>
    {
        public void Run<TScore>(TScore score)
            where TScore : struct, IDifferentiableScoreModifier =>
            FusedAttentionBackwardSimd.Run<T, TScore>(call, score);
    }
}
