using Transformer.Backends;
using Transformer.Kernels.Ilgpu.FusedAttention;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.KvCacheAppend;

/// <summary>Launches <see cref="AppendKernel"/>.</summary>
/// <remarks>A row that has no place in the cache is not written.</remarks>
internal sealed class KvCacheAppendIlgpu(KernelQueue queue) : IKernel<KvCacheAppendForward>
{
    private const int MostThreads = 128;

    private readonly DeviceKernel<AppendArgument> kernel = new(queue, AppendKernel.GroupPerRow);

    public bool Supports(in KvCacheAppendForward call, out string? reason)
    {
        reason = AttentionSupport.Float("source", call.Source) ??
            AttentionSupport.Float("cache", call.Cache) ??
            AttentionSupport.Float("cosines", call.Rotary.Cosines) ??
            AttentionSupport.Float("sines", call.Rotary.Sines);
        if (reason is null && (long)call.Batch * call.NewLength > int.MaxValue)
        {
            reason = $"takes up to {int.MaxValue} new rows; {call.Batch} sequences have " +
                $"{call.NewLength} each";
        }

        return reason is null;
    }

    public void Run(in KvCacheAppendForward call)
    {
        RotaryTables rotary = call.Rotary;
        kernel.Launch(
            new((long)call.Batch * call.NewLength,
                queue.Limits.Threads(Math.Min(call.Width, MostThreads))),
            new()
            {
                Source = AttentionArguments.Any(queue, call.Source),
                Cache = AttentionArguments.Any(queue, call.Cache),
                Cosines = AttentionArguments.Any(queue, rotary.Cosines),
                Sines = AttentionArguments.Any(queue, rotary.Sines),
                Positions = queue.View<int>(call.Positions),
                BlockTable = queue.View<int>(call.BlockTable),
                SourceStride = call.EffectiveSourceRowStride,
                Capacity = call.EffectiveCapacity,
                NewLength = call.NewLength,
                Width = call.Width,
                TableStride = call.MaximumBlocks,
                PageSize = call.PageSize,
                PageCount = call.PageCount,
                TableRows = rotary.IsPresent ? rotary.MaxPositions : 0,
                Rotary = rotary.EffectiveRotaryDimension(call.HeadDimension),
                HeadDimension = call.HeadDimension,
                Interleaved = rotary.Interleaved ? 1 : 0,
            });
    }
}
