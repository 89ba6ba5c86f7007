using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Linear;

/// <summary>Launches what native/Linear/linear.cu does to gradients beside the products.</summary>
internal sealed class LinearGradients(CudaQueue queue)
{
    private const uint Threads = 256;
    private const int Columns = 128, Lanes = 8; // of a block
    private const int SharedBytes = Columns * Lanes * sizeof(float);

    private readonly TypedKernel gradient = new(queue, "linear", "linear_gradient_{0}");
    private readonly TypedKernel columnSums = new(queue, "linear", "linear_column_sums_{0}");

    /// <summary>product = gradient ⊙ f′(kept); sums += its column sums.</summary>
    /// <param name="outputGradient">[rows, width].</param>
    /// <param name="kept">[rows, width]; absent: f′ = 1.</param>
    /// <param name="activation">f.</param>
    /// <param name="rows">Rows, at least 1.</param>
    /// <param name="width">Columns.</param>
    /// <param name="product">[rows, width]; absent: not written.</param>
    /// <param name="sums">[width]; absent: not computed.</param>
    public void Run(BufferView outputGradient, BufferView kept, Activation activation, int rows,
        int width, BufferView product, BufferView sums)
    {
        if (product.IsAbsent && sums.IsAbsent) return;
        DType type = outputGradient.DType;
        int blocks = (width + Columns - 1) / Columns;
        // Enough blocks for the device, each with some rows for every lane.
        int slices = Math.Clamp(
            queue.Device.Multiprocessors * 4 / blocks, 1, (rows + (4 * Lanes) - 1) / (4 * Lanes));
        int slice = (rows + slices - 1) / slices;
        slices = (rows + slice - 1) / slice;
        using CudaScratch partial =
            queue.Rent(sums.IsPresent ? (long)slices * width * sizeof(float) : 0);
        Argument argument = new()
        {
            Gradient = outputGradient.Address,
            Kept = kept.Address,
            Product = product.Address,
            Partial = partial.Address,
            Sums = sums.Address,
            Rows = rows,
            Width = width,
            Slice = slice,
            Slices = slices,
            Whole = Fours(width, outputGradient, kept, product) ? 1 : 0,
            Activation = activation,
        };
        gradient[type].Launch(
            new((uint)blocks, Threads, SharedBytes, (uint)slices), argument);
        if (sums.IsPresent)
            columnSums[type].Launch(new(((uint)width + Threads - 1) / Threads, Threads), argument);
    }

    /// <summary>True when the tensors' rows start on 4 elements.</summary>
    public static bool Fours(int width, params ReadOnlySpan<BufferView> tensors)
    {
        if (width % 4 != 0) return false;
        foreach (BufferView view in tensors)
        {
            if (view.IsPresent && view.Address % (4 * view.DType.Size()) != 0) return false;
        }

        return true;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Gradient, Kept, Product, Partial, Sums;
        public int Rows, Width, Slice, Slices, Whole;
        public Activation Activation;
    }
}
