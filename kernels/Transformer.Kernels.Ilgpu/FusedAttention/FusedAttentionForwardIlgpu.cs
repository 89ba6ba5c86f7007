using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Launches the forward kernels, compiled for the tensors' type and the score modifier.
/// </summary>
internal sealed class FusedAttentionForwardIlgpu(KernelQueue queue) : IKernel<AttentionForward>
{
    private readonly ConcurrentDictionary<(DType, Type), object> kernels = new();

    public bool Supports(in AttentionForward call, out string? reason)
    {
        AttentionSizes s = call.Inputs.Sizes;
        reason = AttentionSupport.Reason(call.Inputs, call.Output) ??
            AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Float("scores", call.Scores) ??
            AttentionSupport.Fits(queue.Limits, s, AttentionForwardKernel.SharedFloats);
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
        ((IForward<TScore>)kernels.GetOrAdd((type, typeof(TScore)), static (key, queue) =>
            key.Item1 switch
            {
                DType.Float16 => new AttentionForwardLauncher<ushort, HalfStorage, TScore>(queue),
                DType.BFloat16 => new AttentionForwardLauncher<ushort, BrainStorage, TScore>(queue),
                _ => (object)new AttentionForwardLauncher<float, SingleStorage, TScore>(queue),
            }, queue)).Launch(call, score);
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
        if (inputs.Score is { } score)
        {
            Managed managed = new();
            score.Dispatch(new Question(managed));
            if (managed.Found)
            {
                return $"score modifier '{score.Name}' refers to managed objects, which a device " +
                    "cannot reach";
            }
        }

        return TensorTypes.Same(out string? reason, ("query", inputs.Query), ("key", inputs.Key),
            ("value", inputs.Value), ("output", output))
            ? Float("bias", inputs.Bias) ?? Float("alibiSlopes", inputs.AlibiSlopes) ??
                Float("relativeBias", inputs.RelativeBias) ?? Float("sinks", inputs.Sinks)
            : reason;
    }

    /// <summary>Null where a tile of these sizes fits shared memory.</summary>
    public static string? Fits(
        DeviceLimits limits, AttentionSizes s, Func<int, int, int, int, int> floats) =>
        AttentionTiling.Of(limits, s.QueryLength,
            (r, k) => floats(r, k, s.HeadDimension, s.ValueDimension)).Rows > 0 ? null
            : $"a head of {s.HeadDimension} and {s.ValueDimension} elements does not fit the " +
                $"device's {limits.SharedBytes} bytes of shared memory";

    /// <summary>Null for a tensor of Float32, Float16 or BFloat16.</summary>
    public static string? Float(string name, BufferView view) =>
        view.IsAbsent || view.DType is DType.Float32 or DType.Float16 or DType.BFloat16
            ? null : $"takes '{name}' as Float32, Float16 or BFloat16; it is {view.DType}";

    /// <summary>Null for a tensor of Float32.</summary>
    public static string? Single(string name, BufferView view) =>
        view.IsAbsent || view.DType == DType.Float32
            ? null : $"takes '{name}' as Float32; it is {view.DType}";

    private sealed class Managed
    {
        public bool Found { get; set; }
    }

    private readonly struct Question(Managed answer) : IScoreAction
    {
        public void Run<TScore>(TScore score) where TScore : struct, IScoreModifier =>
            answer.Found = RuntimeHelpers.IsReferenceOrContainsReferences<TScore>();
    }
}
