using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.SoftmaxCrossEntropy;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.NegativeLogLikelihood;

/// <summary>Launches <see cref="LikelihoodKernels"/>, forward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class NegativeLogLikelihoodForwardIlgpu(KernelQueue queue)
    : IKernel<NegativeLogLikelihoodForward>
{
    private readonly ByType<ITyped<NegativeLogLikelihoodForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in NegativeLogLikelihoodForward call, out string? reason) =>
        TensorTypes.Same(
            out reason, ("logProbabilities", call.LogProbabilities),
            ("classWeights", call.ClassWeights)) &&
        TensorTypes.Single(out reason, ("losses", call.Losses), ("loss", call.Loss)) &&
        LikelihoodSizes.Fit(call.Outer, call.Classes, call.Inner, out reason);

    public void Run(in NegativeLogLikelihoodForward call) =>
        kernels[call.LogProbabilities.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue)
        : ITyped<NegativeLogLikelihoodForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<LikelihoodArgument<T>> labels =
            new(queue, LikelihoodKernels.ThreadPerLabel<T, TStorage>);

        private readonly DeviceKernel<CrossEntropyArgument<T>> reduce =
            new(queue, CrossEntropyKernels.Reduce<T, TStorage>);

        public void Launch(in NegativeLogLikelihoodForward call)
        {
            int count = call.Outer * call.Inner;
            using Scratch rented = call.Losses.IsPresent || count == 0
                ? default : queue.Rent((long)count * sizeof(float));
            LikelihoodArgument<T> argument = new()
            {
                LogProbabilities = queue.View<T>(call.LogProbabilities),
                Weights = queue.View<T>(call.ClassWeights),
                Labels = queue.View<int>(call.Labels),
                Losses = call.Losses.IsPresent
                    ? queue.View<float>(call.Losses) : queue.Floats(rented, count),
                Count = count,
                Classes = call.Classes,
                Inner = call.Inner,
                Ignored = call.IgnoreIndex ?? 0,
                Ignores = call.IgnoreIndex is null ? 0 : 1,
            };
            labels.Launch(Elements.Shape(queue, count), in argument);
            int threads = queue.Limits.Threads(MostThreads);
            reduce.Launch(new(1, threads, 2 * threads), new()
            {
                Weights = argument.Weights,
                Labels = argument.Labels,
                Losses = argument.Losses,
                Loss = queue.View<float>(call.Loss),
                Rows = count,
                Classes = call.Classes,
                Ignored = argument.Ignored,
                Ignores = argument.Ignores,
                Mean = call.Reduction == LossReduction.Mean ? 1 : 0,
            });
        }
    }
}

/// <summary>Launches <see cref="LikelihoodKernels"/>, backward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class NegativeLogLikelihoodBackwardIlgpu(KernelQueue queue)
    : IKernel<NegativeLogLikelihoodBackward>
{
    private readonly ByType<ITyped<NegativeLogLikelihoodBackward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in NegativeLogLikelihoodBackward call, out string? reason) =>
        TensorTypes.Same(
            out reason, ("logProbabilitiesGradient", call.LogProbabilitiesGradient),
            ("classWeights", call.ClassWeights)) &&
        TensorTypes.Single(out reason, ("lossGradient", call.LossGradient)) &&
        LikelihoodSizes.Fit(call.Outer, call.Classes, call.Inner, out reason);

    public void Run(in NegativeLogLikelihoodBackward call)
    {
        if (call.Labels.Length > 0) kernels[call.LogProbabilitiesGradient.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue)
        : ITyped<NegativeLogLikelihoodBackward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<LikelihoodArgument<T>> gradients =
            new(queue, LikelihoodKernels.GradientGroupPerOuter<T, TStorage>);

        private readonly DeviceKernel<CrossEntropyArgument<T>> reduce =
            new(queue, CrossEntropyKernels.Reduce<T, TStorage>);

        public void Launch(in NegativeLogLikelihoodBackward call)
        {
            using Scratch scale = queue.Rent(2 * sizeof(float));
            LikelihoodArgument<T> argument = new()
            {
                Weights = queue.View<T>(call.ClassWeights),
                Gradient = queue.View<T>(call.LogProbabilitiesGradient),
                Labels = queue.View<int>(call.Labels),
                Scale = queue.Floats(scale, 2),
                Classes = call.Classes,
                Inner = call.Inner,
                Ignored = call.IgnoreIndex ?? 0,
                Ignores = call.IgnoreIndex is null ? 0 : 1,
            };
            int threads = queue.Limits.Threads(MostThreads);
            reduce.Launch(new(1, threads, 2 * threads), new()
            {
                Weights = argument.Weights,
                Labels = argument.Labels,
                LossGradient = queue.View<float>(call.LossGradient),
                Scale = argument.Scale,
                Rows = call.Outer * call.Inner,
                Classes = call.Classes,
                Ignored = argument.Ignored,
                Ignores = argument.Ignores,
                Mean = call.Reduction == LossReduction.Mean ? 1 : 0,
            });
            gradients.Launch(new(call.Outer, threads), in argument);
        }
    }
}

/// <summary>Sizes that the kernels can count.</summary>
internal static class LikelihoodSizes
{
    public static bool Fit(int outer, int classes, int inner, out string? reason)
    {
        bool fit = (long)outer * inner <= int.MaxValue && (long)classes * inner <= int.MaxValue;
        reason = fit ? null : $"takes up to {int.MaxValue} labels, and as many elements of " +
            $"'logProbabilities' an outer place; [{outer}, {classes}, {inner}] has more";
        return fit;
    }
}
