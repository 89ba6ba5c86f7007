using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.GradientNorm;

/// <summary>Launches <see cref="GradientNormKernels"/>.</summary>
internal sealed class GradientNormIlgpu(KernelQueue queue) : IKernel<GradientNormForward>
{
    private readonly ByType<ITyped<GradientNormForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in GradientNormForward call, out string? reason) => TensorTypes.Same(
        out reason, ("gradient", call.Gradient)) && TensorTypes.Single(
        out reason, ("norm", call.Norm), ("clipScale", call.ClipScale));

    public void Run(in GradientNormForward call) => kernels[call.Gradient.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<GradientNormForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256, FoursOfThread = 8, MostParts = 1024;

        private readonly DeviceKernel<GradientNormArgument<T>> partials =
            new(queue, GradientNormKernels.Partials<T, TStorage>);

        private readonly DeviceKernel<GradientNormArgument<T>> total =
            new(queue, GradientNormKernels.Total<T, TStorage>);

        public void Launch(in GradientNormForward call)
        {
            int threads = queue.Limits.Threads(MostThreads);
            long perGroup = 4L * FoursOfThread * threads;
            int parts = (int)Math.Min((call.Length + perGroup - 1) / perGroup, MostParts);
            using Scratch sums = parts == 0 ? default : queue.Rent(parts * sizeof(double));
            GradientNormArgument<T> argument = new()
            {
                Gradient = queue.View<T>(call.Gradient),
                Partials = queue.View<double>(sums.Address, parts),
                Norm = queue.View<float>(call.Norm),
                ClipScale = queue.View<float>(call.ClipScale),
                Length = call.Length,
                MaxNorm = call.MaxNorm,
                Parts = parts,
                Aligned = TensorTypes.RowsAligned(4, call.Gradient),
            };
            partials.Launch(new(parts, threads, 2 * threads), in argument);
            total.Launch(new(1, threads, 2 * threads), in argument);
        }
    }
}
