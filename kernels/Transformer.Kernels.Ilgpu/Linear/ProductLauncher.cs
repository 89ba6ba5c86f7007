using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Linear;

/// <summary>A product of m×n elements over k, and what becomes of them.</summary>
internal readonly record struct LinearProduct
{
    public BufferView A { get; init; }

    public BufferView B { get; init; }

    public BufferView Bias { get; init; }

    public BufferView Kept { get; init; }

    public BufferView Output { get; init; }

    public BufferView Second { get; init; }

    public int M { get; init; }

    public int N { get; init; }

    public int K { get; init; }

    public Activation Activation { get; init; }
}

/// <summary>Launches <see cref="Product"/> in the tensors' type.</summary>
internal sealed class ProductLauncher(KernelQueue queue)
{
    private readonly ByType<ITyped> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    /// <summary>Activated product: a [m, k], b [n, k].</summary>
    public void Forward(in LinearProduct product) =>
        kernels[product.Output.DType].Launch(product, Epilogue.Activate, false, false);

    /// <summary>Product, times f′(kept): a [m, k], b [k, n].</summary>
    public void InputGradient(in LinearProduct product) =>
        kernels[product.Output.DType].Launch(product, Epilogue.Derivative, false, true);

    /// <summary>Accumulated product: a [k, m], b [k, n].</summary>
    public void WeightGradient(in LinearProduct product) =>
        kernels[product.Output.DType].Launch(product, Epilogue.Accumulate, true, true);

    private interface ITyped
    {
        void Launch(in LinearProduct product, int epilogue, bool aTransposed, bool bTransposed);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256, LeastStep = 16, MostStep = 64;
        private const int SharedBytes = 16 << 10; // some groups side by side on a multiprocessor

        private readonly DeviceKernel<ProductArgument<T>> kernel =
            new(queue, Product.GroupPerTile<T, TStorage>);

        public void Launch(
            in LinearProduct product, int epilogue, bool aTransposed, bool bTransposed)
        {
            int threads = queue.Limits.Threads(MostThreads);
            int threadsN = 1;
            while (threadsN * threadsN * 4 <= threads) threadsN *= 2;
            int tileM = threads / threadsN * Product.RowsOfThread;
            int tileN = threadsN * Product.ColumnsOfThread;
            int perStep = tileM + tileN + (2 * Product.Padding);
            int step = MostStep;
            while (step > LeastStep && step * perStep * sizeof(float) > SharedBytes) step /= 2;
            ProductArgument<T> argument = new()
            {
                A = queue.View<T>(product.A),
                B = queue.View<T>(product.B),
                Bias = queue.View<T>(product.Bias),
                Kept = queue.View<T>(product.Kept),
                Output = queue.View<T>(product.Output),
                Second = queue.View<T>(product.Second),
                M = product.M,
                N = product.N,
                K = product.K,
                ATransposed = aTransposed ? 1 : 0,
                BTransposed = bTransposed ? 1 : 0,
                AAligned = TensorTypes.RowsAligned(
                    aTransposed ? product.M : product.K, product.A),
                BAligned = TensorTypes.RowsAligned(
                    bTransposed ? product.N : product.K, product.B),
                OutputAligned = TensorTypes.RowsAligned(product.N, product.Bias, product.Kept,
                    product.Output, product.Second),
                Epilogue = epilogue,
                Activation = (int)product.Activation,
                TilesM = (int)(((long)product.M + tileM - 1) / tileM),
                ThreadsN = threadsN,
                Step = step,
            };
            // Along x alone: along y a grid has 65,535 groups, along x some thousand million.
            kernel.Launch(
                new(argument.TilesM * (((long)product.N + tileN - 1) / tileN), threads,
                    step * perStep),
                in argument);
        }
    }
}
