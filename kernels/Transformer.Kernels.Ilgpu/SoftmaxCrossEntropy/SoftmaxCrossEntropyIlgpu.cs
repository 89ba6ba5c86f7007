using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.SoftmaxCrossEntropy;

/// <summary>Launches <see cref="CrossEntropyKernels"/>, forward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class SoftmaxCrossEntropyForwardIlgpu(KernelQueue queue)
    : IKernel<SoftmaxCrossEntropyForward>
{
    private readonly ByType<ITyped<SoftmaxCrossEntropyForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in SoftmaxCrossEntropyForward call, out string? reason) =>
        TensorTypes.Same(
            out reason, ("logits", call.Logits), ("classWeights", call.ClassWeights)) &&
        TensorTypes.Single(
            out reason, ("rowLosses", call.RowLosses), ("logSumExp", call.LogSumExp),
            ("loss", call.Loss));

    public void Run(in SoftmaxCrossEntropyForward call) =>
        kernels[call.Logits.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue)
        : ITyped<SoftmaxCrossEntropyForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<CrossEntropyArgument<T>> rows =
            new(queue, CrossEntropyKernels.GroupPerRow<T, TStorage>);

        private readonly DeviceKernel<CrossEntropyArgument<T>> reduce =
            new(queue, CrossEntropyKernels.Reduce<T, TStorage>);

        public void Launch(in SoftmaxCrossEntropyForward call)
        {
            using Scratch rented = call.RowLosses.IsPresent || call.Rows == 0
                ? default : queue.Rent((long)call.Rows * sizeof(float));
            CrossEntropyArgument<T> argument = new()
            {
                Logits = queue.View<T>(call.Logits),
                Weights = queue.View<T>(call.ClassWeights),
                Labels = queue.View<int>(call.Labels),
                Losses = call.RowLosses.IsPresent
                    ? queue.View<float>(call.RowLosses) : queue.Floats(rented, call.Rows),
                LogSumExp = queue.View<float>(call.LogSumExp),
                Loss = queue.View<float>(call.Loss),
                Rows = call.Rows,
                Classes = call.Classes,
                Ignored = call.IgnoreIndex ?? 0,
                Ignores = call.IgnoreIndex is null ? 0 : 1,
                Mean = call.Reduction == LossReduction.Mean ? 1 : 0,
                Aligned = TensorTypes.RowsAligned(
                    call.Classes, call.Logits, call.ClassWeights),
                Smoothing = (float)call.LabelSmoothing,
            };
            int threads = queue.Limits.Threads(Math.Min((call.Classes + 3) / 4, MostThreads));
            rows.Launch(
                new(call.Rows, threads, GroupSum.SharedFloats(threads, queue.Limits.WarpSize)),
                in argument);
            threads = queue.Limits.Threads(MostThreads);
            reduce.Launch(new(1, threads, 2 * threads), in argument);
        }
    }
}

/// <summary>Launches <see cref="CrossEntropyKernels"/>, backward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class SoftmaxCrossEntropyBackwardIlgpu(KernelQueue queue)
    : IKernel<SoftmaxCrossEntropyBackward>
{
    private readonly ByType<ITyped<SoftmaxCrossEntropyBackward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in SoftmaxCrossEntropyBackward call, out string? reason) =>
        TensorTypes.Same(
            out reason, ("logits", call.Logits), ("classWeights", call.ClassWeights),
            ("logitsGradient", call.LogitsGradient)) &&
        TensorTypes.Single(
            out reason, ("logSumExp", call.LogSumExp), ("lossGradient", call.LossGradient));

    public void Run(in SoftmaxCrossEntropyBackward call)
    {
        if (call.Rows > 0) kernels[call.Logits.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue)
        : ITyped<SoftmaxCrossEntropyBackward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<CrossEntropyArgument<T>> rows =
            new(queue, CrossEntropyKernels.GradientGroupPerRow<T, TStorage>);

        private readonly DeviceKernel<CrossEntropyArgument<T>> reduce =
            new(queue, CrossEntropyKernels.Reduce<T, TStorage>);

        public void Launch(in SoftmaxCrossEntropyBackward call)
        {
            using Scratch scale = queue.Rent(2 * sizeof(float));
            CrossEntropyArgument<T> argument = new()
            {
                Logits = queue.View<T>(call.Logits),
                Weights = queue.View<T>(call.ClassWeights),
                Gradient = queue.View<T>(call.LogitsGradient),
                Labels = queue.View<int>(call.Labels),
                LogSumExp = queue.View<float>(call.LogSumExp),
                LossGradient = queue.View<float>(call.LossGradient),
                Scale = queue.Floats(scale, 2),
                Rows = call.Rows,
                Classes = call.Classes,
                Ignored = call.IgnoreIndex ?? 0,
                Ignores = call.IgnoreIndex is null ? 0 : 1,
                Mean = call.Reduction == LossReduction.Mean ? 1 : 0,
                Aligned = TensorTypes.RowsAligned(
                    call.Classes, call.Logits, call.ClassWeights, call.LogitsGradient),
                Smoothing = (float)call.LabelSmoothing,
            };
            int threads = queue.Limits.Threads(MostThreads);
            reduce.Launch(new(1, threads, 2 * threads), in argument);
            threads = queue.Limits.Threads(Math.Min((call.Classes + 3) / 4, MostThreads));
            rows.Launch(new(call.Rows, threads), in argument);
        }
    }
}
