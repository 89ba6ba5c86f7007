using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.AttentionMerge;

/// <summary>Launches <see cref="MergeKernel"/>.</summary>
internal sealed class AttentionMergeIlgpu(KernelQueue queue) : IKernel<AttentionMergeForward>
{
    private readonly ByType<ITyped<AttentionMergeForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in AttentionMergeForward call, out string? reason)
    {
        if (!TensorTypes.Same(out reason, ("outputs", call.Outputs), ("output", call.Output)) ||
            !TensorTypes.Single(
                out reason, ("logSumExps", call.LogSumExps), ("logSumExp", call.LogSumExp)))
        {
            return false;
        }

        reason = call.Rows <= int.MaxValue
            ? null : $"takes up to {int.MaxValue} rows; 'Rows' is {call.Rows}";
        return reason is null;
    }

    public void Run(in AttentionMergeForward call) => kernels[call.Outputs.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<AttentionMergeForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 128;

        private readonly DeviceKernel<MergeArgument<T>> kernel =
            new(queue, MergeKernel.GroupPerRow<T, TStorage>);

        public void Launch(in AttentionMergeForward call) => kernel.Launch(
            new(call.Rows,
                queue.Limits.Threads(Math.Min((call.Dimension + 3) / 4, MostThreads))),
            new()
            {
                Outputs = queue.View<T>(call.Outputs),
                Output = queue.View<T>(call.Output),
                LogSums = queue.View<float>(call.LogSumExps),
                LogSumExp = queue.View<float>(call.LogSumExp),
                Rows = call.Rows,
                Parts = call.Parts,
                Width = call.Dimension,
                Aligned = TensorTypes.RowsAligned(call.Dimension, call.Outputs, call.Output),
            });
    }
}
