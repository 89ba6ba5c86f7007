using System.Collections.Concurrent;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Launches the forward kernels, compiled for the tensors' type and the score modifier.
/// </summary>
internal sealed class FusedAttentionForwardIlgpu(KernelQueue queue, AttentionTables tables)
    : IKernel<AttentionForward>
{
    private readonly ConcurrentDictionary<(DType, Type), object> kernels = new();

    public bool Supports(in AttentionForward call, out string? reason)
    {
        AttentionSizes s = call.Inputs.Sizes;
        DeviceLimits limits = queue.Limits;
        AttentionForwardPlan plan = AttentionForwardPlan.Of(limits, s);
        long groups = call.Scores.IsAbsent
            ? plan.Groups : Math.Max(plan.Groups, (long)s.Batch * s.QueryHeads * s.QueryLength);
        reason = AttentionSupport.Reason(call.Inputs, call.Output) ??
            AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Float("scores", call.Scores) ??
            AttentionSupport.Fits(limits, s, plan.Tiling) ??
            AttentionSupport.Launches(limits, groups, AttentionForwardPlan.MostThreads);
        return reason is null;
    }

    public void Run(in AttentionForward call)
    {
        AttentionSizes s = call.Inputs.Sizes;
        if (s.Batch == 0 || s.QueryLength == 0) return;
        if (call.Inputs.Score is { } score) score.Dispatch(new Action(this, call));
        else Run(call, default(PlainScore));
    }

    private void Run<TScore>(in AttentionForward call, TScore score)
        where TScore : struct, IScoreModifier
    {
        DType type = call.Inputs.Query.DType;
        ((IForward<TScore>)kernels.GetOrAdd((type, typeof(TScore)), static (key, own) =>
            key.Item1 switch
            {
                DType.Float16 => new AttentionForwardLauncher<ushort, HalfStorage, TScore>(
                    own.queue, own.tables),
                DType.BFloat16 => new AttentionForwardLauncher<ushort, BrainStorage, TScore>(
                    own.queue, own.tables),
                _ => (object)new AttentionForwardLauncher<float, SingleStorage, TScore>(
                    own.queue, own.tables),
            }, (queue, tables))).Launch(call, score);
    }

    private readonly struct Action(FusedAttentionForwardIlgpu kernel, AttentionForward call)
        : IScoreAction
    {
        public void Run<TScore>(TScore score) where TScore : struct, IScoreModifier =>
            kernel.Run(call, score);
    }
}

/// <summary>A launcher for one score modifier.</summary>
internal interface IForward<TScore> where TScore : struct, IScoreModifier
{
    void Launch(in AttentionForward call, TScore score);
}

/// <summary>What attention's kernels cannot do.</summary>
internal static class AttentionSupport
{
    /// <summary>Null where the kernels can take the inputs, else why not.</summary>
    public static string? Reason(in AttentionInputs inputs, BufferView output)
    {
        if (inputs.Score is { HoldsReferences: true } score)
        {
            return $"score modifier '{score.Name}' refers to managed objects, which a device " +
                "cannot reach";
        }

        return TensorTypes.Same(out string? reason, ("query", inputs.Query), ("key", inputs.Key),
            ("value", inputs.Value), ("output", output))
            ? Float("bias", inputs.Bias) ?? Float("alibiSlopes", inputs.AlibiSlopes) ??
                Float("relativeBias", inputs.RelativeBias) ?? Float("sinks", inputs.Sinks)
            : reason;
    }

    /// <summary>Null where there is a tile that fits shared memory.</summary>
    public static string? Fits(DeviceLimits limits, AttentionSizes s, AttentionTiling tiling) =>
        tiling.Rows > 0 ? null
            : $"a head of {s.HeadDimension} and {s.ValueDimension} elements does not fit the " +
                $"device's {limits.SharedBytes} bytes of shared memory";

    /// <summary>Null where one launch holds so many groups.</summary>
    public static string? Launches(DeviceLimits limits, long groups, int threads) =>
        groups <= limits.Groups(threads) ? null
            : $"needs {groups} groups of threads, of which a launch takes up to " +
                $"{limits.Groups(threads)}; split the batch";

    /// <summary>Null for a tensor of Float32, Float16 or BFloat16.</summary>
    public static string? Float(string name, BufferView view) =>
        view.IsAbsent || view.DType is DType.Float32 or DType.Float16 or DType.BFloat16
            ? null : $"takes '{name}' as Float32, Float16 or BFloat16; it is {view.DType}";

    /// <summary>Null for a tensor of Float32.</summary>
    public static string? Single(string name, BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32
            ? null : $"takes '{name}' as Float32; it is {view.DType}";
}
