using System.Collections.Concurrent;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Launches the backward kernels, compiled for the tensors' type and the score modifier.
/// </summary>
internal sealed class FusedAttentionBackwardIlgpu(KernelQueue queue, AttentionTables tables)
    : IKernel<AttentionBackward>
{
    private readonly ConcurrentDictionary<(DType, Type), object> kernels = new();

    public bool Supports(in AttentionBackward call, out string? reason)
    {
        AttentionInputs inputs = call.Inputs;
        reason = AttentionSupport.Reason(inputs, call.Output);
        if (reason is not null) return false;
        if (inputs.Score is { IsDifferentiable: false } score)
            reason = $"score modifier '{score.Name}' has no derivative";
        if (reason is not null || !TensorTypes.Same(out reason, ("query", inputs.Query),
            ("outputGradient", call.OutputGradient), ("queryGradient", call.QueryGradient),
            ("keyGradient", call.KeyGradient), ("valueGradient", call.ValueGradient)))
        {
            return false;
        }

        DeviceLimits limits = queue.Limits;
        AttentionBackwardPlan plan = AttentionBackwardPlan.Of(limits, inputs.Sizes);
        reason = AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Float("biasGradient", call.BiasGradient) ??
            AttentionSupport.Float("relativeBiasGradient", call.RelativeBiasGradient) ??
            AttentionSupport.Float("sinkGradient", call.SinkGradient) ??
            AttentionSupport.Fits(limits, inputs.Sizes, plan.Tiling) ??
            AttentionSupport.Launches(limits, Math.Max(plan.QueryGroups, plan.KeyGroups),
                AttentionBackwardPlan.MostThreads);
        return reason is null;
    }

    public void Run(in AttentionBackward call)
    {
        AttentionSizes s = call.Inputs.Sizes;
        if (s.Batch == 0 || (s.QueryLength == 0 && s.KeyLength == 0)) return;
        if (call.Inputs.Score is { } score) score.DispatchBackward(new Action(this, call));
        else Run(call, default(PlainScore));
    }

    private void Run<TScore>(in AttentionBackward call, TScore score)
        where TScore : struct, IDifferentiableScoreModifier
    {
        DType type = call.Inputs.Query.DType;
        ((IBackward<TScore>)kernels.GetOrAdd((type, typeof(TScore)), static (key, own) =>
            key.Item1 switch
            {
                DType.Float16 => new AttentionBackwardLauncher<ushort, HalfStorage, TScore>(
                    own.queue, own.tables),
                DType.BFloat16 => new AttentionBackwardLauncher<ushort, BrainStorage, TScore>(
                    own.queue, own.tables),
                _ => (object)new AttentionBackwardLauncher<float, SingleStorage, TScore>(
                    own.queue, own.tables),
            }, (queue, tables))).Launch(call, score);
    }

    private readonly struct Action(FusedAttentionBackwardIlgpu kernel, AttentionBackward call)
        : IScoreBackwardAction
    {
        public void Run<TScore>(TScore score)
            where TScore : struct, IDifferentiableScoreModifier => kernel.Run(call, score);
    }
}

/// <summary>A launcher for one score modifier.</summary>
internal interface IBackward<TScore> where TScore : struct, IDifferentiableScoreModifier
{
    void Launch(in AttentionBackward call, TScore score);
}
