using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Linear;

/// <summary>What becomes of a product's elements; values of native/Linear/epilogue.cuh.</summary>
internal enum Epilogue
{
    /// <summary>x = product + bias; second = x; output = f(x).</summary>
    Activate,

    /// <summary>output = product·f′(kept), second = f(kept); output = product where kept is
    /// absent.</summary>
    Derivative,

    /// <summary>output += product.</summary>
    Accumulate,
}

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

/// <summary>Launches the products of native/Linear/linear.cu, and of linear_hopper.cu where they
/// are for it.</summary>
internal sealed class LinearProducts(CudaQueue queue)
{
    private const int LargeTile = 128, SmallTile = 64;
    private const int Stages = 3, StepBytes = 64; // of native/Linear/product.cuh
    private const int StepElements = StepBytes / sizeof(short);
    private const int LeastSplit = 128, MostSplits = 32;
    private const int FewRows = 8, FewRowsFeatures = 2; // of native/Linear/few_rows.cuh
    private const uint TensorThreads = 128, CombineThreads = 256, FewRowsThreads = 128;

    private readonly Tiles forward = new(queue, "forward", acrossA: false, acrossB: false);
    private readonly Tiles inputGradient =
        new(queue, "input_gradient", acrossA: false, acrossB: true);

    private readonly Tiles weightGradient =
        new(queue, "weight_gradient", acrossA: true, acrossB: true);

    private readonly TypedKernel fewRows = new(queue, "linear", "linear_forward_{0}_few_rows");
    private readonly TypedKernel combine = new(queue, "linear", "linear_combine_{0}");

    /// <summary>True where the products take these tensors.</summary>
    public bool Supports(
        out string? reason, params ReadOnlySpan<(string Name, BufferView View)> tensors)
    {
        if (!CudaTypes.Same(out reason, tensors)) return false;
        int capability = queue.Device.ComputeCapability;
        if (tensors[0].View.DType != DType.BFloat16 || capability >= 80) return true;
        reason = "multiplies BFloat16 from compute capability 8.0 on; the device has " +
            $"{capability / 10}.{capability % 10}";
        return false;
    }

    /// <summary>Activated product: a [m, k], b [n, k].</summary>
    public void Forward(in LinearProduct product)
    {
        if (product.M > FewRows)
        {
            Run(forward, Epilogue.Activate, product, product.K, product.K);
            return;
        }

        uint warps = (uint)((product.N + (FewRowsFeatures - 1L)) / FewRowsFeatures);
        fewRows[product.Output.DType].Launch(
            new(((warps * 32) + FewRowsThreads - 1) / FewRowsThreads, FewRowsThreads),
            Argue(product, product.K, product.K));
    }

    /// <summary>Product, times f′(kept): a [m, k], b [k, n].</summary>
    public void InputGradient(in LinearProduct product) =>
        Run(inputGradient, Epilogue.Derivative, product, product.K, product.N);

    /// <summary>Accumulated product: a [k, m], b [k, n].</summary>
    public void WeightGradient(in LinearProduct product) =>
        Run(weightGradient, Epilogue.Accumulate, product, product.M, product.N);

    private void Run(
        Tiles tiles, Epilogue epilogue, in LinearProduct product, int aWidth, int bWidth)
    {
        DType type = product.Output.DType;
        int processors = queue.Device.Multiprocessors;
        (int m, int n, int k) = (product.M, product.N, product.K);
        LinearArgument argument = Argue(product, aWidth, bWidth);
        bool hopper = tiles.Hopper.Takes(product, argument);
        bool large = hopper ||
            (m > SmallTile && n > SmallTile && Count(m, n, LargeTile) >= processors);
        int tile = large ? LargeTile : SmallTile;
        int step = hopper ? LinearHopper.Step : StepElements;
        long blocks = Count(m, n, tile);
        // Few tiles over a long k: parts of k run beside each other and are added afterwards.
        long splits = Math.Clamp(processors / blocks, 1, Math.Clamp(k / LeastSplit, 1, MostSplits));
        int split = (int)((k + splits - 1) / splits);
        split = (split + step - 1) / step * step;
        splits = (k + split - 1) / split;
        using CudaScratch partial =
            queue.Rent(splits > 1 ? splits * m * n * sizeof(float) : 0);
        argument.Partial = partial.Address;
        argument.Split = split;
        argument.Splits = (int)splits;
        argument.Epilogue = epilogue;
        if (hopper) tiles.Hopper.Run(product, argument, blocks);
        else
        {
            uint threads = type == DType.Float32 ? (uint)(tile * tile / 64) : TensorThreads;
            (large ? tiles.Large : tiles.Small)[type].Launch(
                new(checked((uint)blocks), threads, Stages * 2 * tile * StepBytes, (uint)splits),
                argument);
        }

        if (splits > 1)
        {
            long pieces = m * ((n + 3L) / 4);
            combine[type].Launch(new(
                checked((uint)((pieces + CombineThreads - 1) / CombineThreads)), CombineThreads),
                argument);
        }
    }

    private static LinearArgument Argue(in LinearProduct product, int aWidth, int bWidth) => new()
    {
        A = product.A.Address,
        B = product.B.Address,
        Bias = product.Bias.Address,
        Kept = product.Kept.Address,
        Output = product.Output.Address,
        Second = product.Second.Address,
        M = product.M,
        N = product.N,
        K = product.K,
        AWhole = CudaTypes.RowsAligned(aWidth, product.A) ? 1 : 0,
        BWhole = CudaTypes.RowsAligned(bWidth, product.B) ? 1 : 0,
        Whole = LinearGradients.Fours(
            product.N, product.Bias, product.Kept, product.Output, product.Second) ? 1 : 0,
        Activation = product.Activation,
    };

    private static long Count(int m, int n, int tile) =>
        ((m + tile - 1L) / tile) * ((n + tile - 1L) / tile);

    private sealed class Tiles(CudaQueue queue, string name, bool acrossA, bool acrossB)
    {
        public LinearHopper Hopper { get; } = new(queue, name, acrossA, acrossB);

        public TypedKernel Large { get; } =
            new(queue, "linear", $"linear_{name}_{{0}}_tile_{LargeTile}");

        public TypedKernel Small { get; } =
            new(queue, "linear", $"linear_{name}_{{0}}_tile_{SmallTile}");
    }
}

/// <summary>LinearProduct of native/Linear/epilogue.cuh, field by field.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinearArgument
{
    public nint A, B, Bias, Kept, Output, Second, Partial;
    public int M, N, K, Split, Splits, AWhole, BWhole, Whole;
    public Epilogue Epilogue;
    public Activation Activation;
}
