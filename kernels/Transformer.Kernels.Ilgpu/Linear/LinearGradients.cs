using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.PartialSums;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Linear;

/// <summary>Launches <see cref="GradientColumns"/> in the tensors' type.</summary>
internal sealed class LinearGradients(KernelQueue queue)
{
    private readonly ByType<ITyped> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    /// <summary>product = gradient ⊙ f′(kept); sums += its column sums.</summary>
    /// <param name="gradient">[rows, width].</param>
    /// <param name="kept">[rows, width]; absent: f′ = 1.</param>
    /// <param name="activation">f.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Columns.</param>
    /// <param name="product">[rows, width]; absent: not written.</param>
    /// <param name="sums">[width]; absent: not computed.</param>
    public void Run(BufferView gradient, BufferView kept, Activation activation, int rows,
        int width, BufferView product, BufferView sums)
    {
        if (product.IsPresent || sums.IsPresent)
            kernels[gradient.DType].Run(gradient, kept, activation, rows, width, product, sums);
    }

    private interface ITyped
    {
        void Run(BufferView gradient, BufferView kept, Activation activation, int rows, int width,
            BufferView product, BufferView sums);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256, MostParts = 64, LeastRowsOfPart = 32;

        private readonly DeviceKernel<GradientColumnsArgument<T>> kernel =
            new(queue, GradientColumns.ThreadPerColumn<T, TStorage>);

        private readonly PartialSumsLauncher<T, TStorage> targets = new(queue);

        public void Run(BufferView gradient, BufferView kept, Activation activation, int rows,
            int width, BufferView product, BufferView sums)
        {
            int parts = Math.Min((rows + LeastRowsOfPart - 1) / LeastRowsOfPart, MostParts);
            long count = (long)parts * width;
            using Scratch partials =
                sums.IsAbsent ? default : queue.Rent(count * sizeof(float));
            GradientColumnsArgument<T> argument = new()
            {
                Gradient = queue.View<T>(gradient),
                Kept = queue.View<T>(kept),
                Product = queue.View<T>(product),
                Partials = queue.Floats(partials, count),
                Rows = rows,
                Width = width,
                RowsOfPart = (rows + parts - 1) / parts,
                Activation = (int)activation,
            };
            int threads = queue.Limits.Threads(MostThreads);
            kernel.Launch(
                new((width + threads - 1) / threads, threads, GroupsY: parts), in argument);
            targets.Launch(argument.Partials, parts, sums);
        }
    }
}
