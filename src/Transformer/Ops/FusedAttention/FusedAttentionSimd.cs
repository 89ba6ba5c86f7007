using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output = softmax(scale·q·kᵀ, capped, biased, over visible keys)·v on vector units.
/// </summary>
/// <remarks>
/// Shapes: as <see cref="AttentionInputs"/>.
/// Work: <see cref="AttentionForwardTiles{T}"/> computes output and log-sum-exp; scores that are
/// asked for are written afterwards by <see cref="AttentionScoreWriter{T}"/>.
/// Bytes: q, k, v and output once a unit of tiles; scores only where asked for.
/// Numerics: binary32 throughout; a hidden key has weight 0 by selection and its value row is never
/// multiplied; a row without visible keys gives 0 and −∞.
/// Preconditions: a validated call, Float32 buffers.
/// Source: Dao et al. 2022; Milakov, Gimelshein 2018.
/// </remarks>
internal sealed class FusedAttentionForwardSimd : IKernel<AttentionForward>
{
    /// <inheritdoc/>
    public bool Supports(in AttentionForward call, out string? reason)
    {
        reason = AttentionProblem.Unsupported(call.Inputs) ??
            AttentionProblem.WrongType("output", call.Output) ??
            AttentionProblem.WrongType("logSumExp", call.LogSumExp) ??
            AttentionProblem.WrongType("scores", call.Scores);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in AttentionForward call) =>
        SimdDispatch.Run(new AttentionForwardAction(call));

    /// <summary>Runs with vectors of a given width.</summary>
    internal static unsafe void Run<T>(in AttentionForward call) where T : struct, ISimdFloat<T>
    {
        AttentionSizes sizes = call.Inputs.Sizes;
        long rows = (long)sizes.Batch * sizes.QueryHeads * sizes.QueryLength;
        if (rows == 0) return;
        AttentionProblem problem = new(call.Inputs);
        bool needsSum = call.ScoreOutput == ScoreOutput.Probabilities && call.LogSumExp.IsAbsent;
        using HostBlock ownSum = needsSum ? HostMemory.Rent(rows * sizeof(float)) : default;
        float* logSumExp = needsSum ? ownSum.Pointer<float>() : call.LogSumExp.Pointer<float>();
        AttentionForwardTiles<T>.Run(problem, call.Output.Pointer<float>(), logSumExp);
        if (call.ScoreOutput != ScoreOutput.None && sizes.KeyLength > 0)
        {
            AttentionScoreWriter<T>.Run(
                problem, call.Scores.Pointer<float>(), logSumExp, call.ScoreOutput);
        }
    }

    private readonly struct AttentionForwardAction(AttentionForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T> =>
            FusedAttentionForwardSimd.Run<T>(call);
    }
}

/// <summary>Gradients of attention by recomputation on vector units.</summary>
/// <remarks>
/// Shapes: as <see cref="AttentionBackward"/>.
/// Work: <see cref="AttentionGradientTiles{T}"/> computes dQ, dK and dV,
/// <see cref="AttentionBiasGradient{T}"/> the gradient of the bias where it is asked for.
/// Bytes: operands and gradients once a tile; no buffer of Sq×Skv.
/// Numerics: as in <see cref="FusedAttentionForwardSimd"/>; every sum has a fixed order, so results
/// do not depend on the number of threads.
/// Preconditions: a validated call, Float32 buffers.
/// Source: Dao et al. 2022, appendix B.2.
/// </remarks>
internal sealed class FusedAttentionBackwardSimd : IKernel<AttentionBackward>
{
    /// <inheritdoc/>
    public bool Supports(in AttentionBackward call, out string? reason)
    {
        reason = AttentionProblem.Unsupported(call.Inputs) ??
            AttentionProblem.WrongType("output", call.Output) ??
            AttentionProblem.WrongType("logSumExp", call.LogSumExp) ??
            AttentionProblem.WrongType("outputGradient", call.OutputGradient) ??
            AttentionProblem.WrongType("queryGradient", call.QueryGradient) ??
            AttentionProblem.WrongType("keyGradient", call.KeyGradient) ??
            AttentionProblem.WrongType("valueGradient", call.ValueGradient) ??
            AttentionProblem.WrongType("biasGradient", call.BiasGradient);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in AttentionBackward call) =>
        SimdDispatch.Run(new AttentionBackwardAction(call));

    /// <summary>Runs with vectors of a given width.</summary>
    internal static unsafe void Run<T>(in AttentionBackward call) where T : struct, ISimdFloat<T>
    {
        AttentionSizes sizes = call.Inputs.Sizes;
        if (sizes.Batch == 0) return;
        AttentionProblem problem = new(call.Inputs);
        long rows = (long)sizes.Batch * sizes.QueryHeads * sizes.QueryLength;
        using HostBlock deltas = HostMemory.Rent(Math.Max(1, rows) * sizeof(float));
        AttentionGradients gradients = new(call, deltas.Pointer<float>());
        AttentionGradientTiles<T>.Run(problem, gradients);
        if (gradients.Bias != null && rows > 0) AttentionBiasGradient<T>.Run(problem, gradients);
    }

    private readonly struct AttentionBackwardAction(AttentionBackward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T> =>
            FusedAttentionBackwardSimd.Run<T>(call);
    }
}
