using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.PartialSums;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Norm;

/// <summary>What the gradients of layer norm and root-mean-square norm ask for.</summary>
internal readonly record struct NormBackwardWork
{
    public BufferView Sum { get; init; }

    public BufferView Weight { get; init; }

    public BufferView OutputGradient { get; init; }

    public BufferView SumGradient { get; init; }

    public BufferView InputGradient { get; init; }

    public BufferView WeightGradient { get; init; }

    public BufferView BiasGradient { get; init; }

    public BufferView Mean { get; init; }

    public BufferView Inverse { get; init; }

    public int Rows { get; init; }

    public int Width { get; init; }

    public bool Centered { get; init; }
}

/// <summary>Launches <see cref="NormBackward"/> in the tensors' type.</summary>
internal sealed class NormBackwardLauncher(KernelQueue queue)
{
    private readonly ByType<ITyped> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    /// <summary>The parameters' gradients, then the input's.</summary>
    public void Launch(in NormBackwardWork work)
    {
        if (work.Rows > 0) kernels[work.Sum.DType].Launch(in work);
    }

    private interface ITyped
    {
        void Launch(in NormBackwardWork work);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256, MostParts = 64, LeastRowsOfPart = 64;

        private readonly DeviceKernel<NormBackwardArgument<T>> rows =
            new(queue, NormBackward.GroupPerRow<T, TStorage>);

        private readonly DeviceKernel<NormBackwardArgument<T>> columns =
            new(queue, NormBackward.ThreadPerColumn<T, TStorage>);

        private readonly PartialSumsLauncher<T, TStorage> sums = new(queue);

        public void Launch(in NormBackwardWork work)
        {
            NormBackwardArgument<T> argument = Argue(work);
            if (work.WeightGradient.IsPresent || work.BiasGradient.IsPresent)
                Columns(work, argument);
            int threads = queue.Limits.Threads(Math.Min((work.Width + 3) / 4, MostThreads));
            int shared = GroupSum.SharedFloats(threads, queue.Limits.WarpSize);
            rows.Launch(new(work.Rows, threads, shared), in argument);
        }

        private void Columns(in NormBackwardWork work, NormBackwardArgument<T> argument)
        {
            int parts = Math.Min(
                (work.Rows + LeastRowsOfPart - 1) / LeastRowsOfPart, MostParts);
            argument.RowsOfPart = (work.Rows + parts - 1) / parts;
            long count = (long)parts * work.Width;
            using Scratch weights = Rent(work.WeightGradient, count);
            using Scratch biases = Rent(work.BiasGradient, count);
            argument.WeightPartials = queue.Floats(weights, count);
            argument.BiasPartials = queue.Floats(biases, count);
            int threads = queue.Limits.Threads(MostThreads);
            columns.Launch(
                new((work.Width + threads - 1) / threads, threads, GroupsY: parts), in argument);
            sums.Launch(argument.WeightPartials, parts, work.WeightGradient);
            sums.Launch(argument.BiasPartials, parts, work.BiasGradient);
        }

        private Scratch Rent(BufferView gradient, long count) =>
            gradient.IsAbsent ? default : queue.Rent(count * sizeof(float));

        private NormBackwardArgument<T> Argue(in NormBackwardWork work) => new()
        {
            Sum = queue.View<T>(work.Sum),
            Weight = queue.View<T>(work.Weight),
            OutputGradient = queue.View<T>(work.OutputGradient),
            SumGradient = queue.View<T>(work.SumGradient),
            InputGradient = queue.View<T>(work.InputGradient),
            Mean = queue.View<float>(work.Mean),
            Inverse = queue.View<float>(work.Inverse),
            Rows = work.Rows,
            Width = work.Width,
            Aligned = TensorTypes.RowsAligned(work.Width, work.Sum, work.Weight,
                work.OutputGradient, work.SumGradient, work.InputGradient),
            Centered = work.Centered ? 1 : 0,
        };
    }
}
