using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Norm;

/// <summary>What layer norm and root-mean-square norm ask for.</summary>
internal readonly record struct NormForwardWork
{
    public BufferView Input { get; init; }

    public BufferView Residual { get; init; }

    public BufferView Weight { get; init; }

    public BufferView Bias { get; init; }

    public BufferView Sum { get; init; }

    public BufferView Output { get; init; }

    public BufferView Mean { get; init; }

    public BufferView Inverse { get; init; }

    public int Rows { get; init; }

    public int Width { get; init; }

    public bool Centered { get; init; }

    public double Epsilon { get; init; }
}

/// <summary>Launches <see cref="NormForward"/> in the tensors' type.</summary>
internal sealed class NormForwardLauncher(KernelQueue queue)
{
    private readonly ByType<ITyped> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    /// <summary>A group for each row.</summary>
    public void Launch(in NormForwardWork work) => kernels[work.Input.DType].Launch(in work);

    private interface ITyped
    {
        void Launch(in NormForwardWork work);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<NormForwardArgument<T>> kernel =
            new(queue, NormForward.GroupPerRow<T, TStorage>);

        public void Launch(in NormForwardWork work)
        {
            int threads = queue.Limits.Threads(Math.Min((work.Width + 3) / 4, MostThreads));
            NormForwardArgument<T> argument = new()
            {
                Input = queue.View<T>(work.Input),
                Residual = queue.View<T>(work.Residual),
                Weight = queue.View<T>(work.Weight),
                Bias = queue.View<T>(work.Bias),
                Sum = queue.View<T>(work.Sum),
                Output = queue.View<T>(work.Output),
                Mean = queue.View<float>(work.Mean),
                Inverse = queue.View<float>(work.Inverse),
                Rows = work.Rows,
                Width = work.Width,
                Aligned = TensorTypes.RowsAligned(work.Width, work.Input, work.Residual,
                    work.Weight, work.Bias, work.Sum, work.Output),
                Centered = work.Centered ? 1 : 0,
                Epsilon = (float)work.Epsilon,
            };
            int shared = GroupSum.SharedFloats(threads, queue.Limits.WarpSize);
            kernel.Launch(new(work.Rows, threads, shared), in argument);
        }
    }
}
