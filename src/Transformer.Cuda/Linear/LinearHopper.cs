using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.Linear;

/// <summary>Launches native/Linear/linear_hopper.cu: compute capability 9.0, 16-bit elements, rows
/// of whole 16 bytes, more than half a tile of rows and columns.</summary>
internal sealed class LinearHopper(CudaQueue queue, string name, bool acrossA, bool acrossB)
{
    private const int Stages = 4, OutBytes = 8 * 16 * (Tile + 8) * sizeof(float);
    private const int BarrierBytes = 2 * Stages * sizeof(ulong), AlignmentBytes = 1024;
    private const uint Threads = 384;
    private const int SharedBytes = AlignmentBytes +
        (Stages * 2 * Tile * Step * sizeof(short)) + OutBytes + BarrierBytes;

    private readonly CudaKernel half =
        queue.Kernel("linear_hopper", $"linear_hopper_{name}_f16");

    private readonly CudaKernel brain =
        queue.Kernel("linear_hopper", $"linear_hopper_{name}_bf16");

    /// <summary>Rows and columns of a block's tile.</summary>
    public const int Tile = 128;

    /// <summary>Parts of k are multiples of this.</summary>
    public const int Step = 64;

    /// <summary>True where the kernel is for this product.</summary>
    public bool Takes(in LinearProduct product, in LinearArgument argument) =>
        queue.Device.IsHopper && product.Output.DType != DType.Float32 &&
        argument.AWhole != 0 && argument.BWhole != 0 &&
        product.M > Tile / 2 && product.N > Tile / 2;

    /// <summary>Launches it.</summary>
    public void Run(in LinearProduct product, in LinearArgument argument, long tiles)
    {
        Argument given = new()
        {
            A = Map(product.A, product.M, product.K, acrossA),
            B = Map(product.B, product.N, product.K, acrossB),
            Product = argument,
        };
        uint blocks = (uint)Math.Min(
            tiles * argument.Splits, queue.Device.Multiprocessors);
        (product.Output.DType == DType.BFloat16 ? brain : half).Launch(
            new(blocks, Threads, SharedBytes), given);
    }

    private TensorMap Map(BufferView view, int rows, int depth, bool across) => across
        ? TensorMap.Of(queue.Device, view, [rows, depth], [rows], Step)
        : TensorMap.Of(queue.Device, view, [depth, rows], [depth], Tile);

    // Field by field that of the kernel, whose size is a multiple of its alignment.
    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public TensorMap A, B;
        public LinearArgument Product;
        public Rest Padding;
    }

    [InlineArray(Size)]
    private struct Rest
    {
        public const int Size = 4;
        private ulong first;
    }
}
