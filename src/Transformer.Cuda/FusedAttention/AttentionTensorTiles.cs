using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>The kernels of attention on tensor cores that a call takes:
/// native/FusedAttention/attention_tensor_forward.cu and attention_tensor_backward.cu.</summary>
/// <param name="Index">0, 1 and 2 for widths of 64, 128 and 256.</param>
/// <param name="Rows">Query rows of a block.</param>
/// <param name="SharedBytes">Shared memory of a block.</param>
internal readonly record struct AttentionTensorTiles(int Index, int Rows, int SharedBytes)
{
    // PTX for what is older than 8.0 has only tiles that fit into its shared memory: as wide as
    // 128 forward, as 64 backward.

    // Rows of a tile; bytes of a block's 128 threads, each with 32 scores.
    private const int Tile = 64, SlotBytes = 128 * 32 * sizeof(float);

    /// <summary>The forward kernel; null where there is none.</summary>
    public static AttentionTensorTiles? Forward(
        CudaQueue queue, in AttentionArgument argument, DType type)
    {
        int index = Width(queue, argument, type);
        if (index > (queue.Device.ComputeCapability < 80 ? 1 : 2)) return null;
        int rows = index == 0 ? 128 : 64, state = index == 0 ? 8832 : 5760;
        int bytes = state + ((rows + (2 * Tile)) * RowBytes(index));
        // Up to 128 the queries' place, which are in registers by then, does for the scores.
        if (index == 2 && argument.ShapesScores) bytes += SlotBytes;
        return Fitting(queue, new(index, rows, bytes));
    }

    /// <summary>The kernel of the queries' gradient; null where there is none.</summary>
    public static AttentionTensorTiles? QueryGradient(
        CudaQueue queue, in AttentionArgument argument, DType type)
    {
        int index = Width(queue, argument, type);
        if (index > (queue.Device.ComputeCapability < 80 ? 0 : 2)) return null;
        int keys = index == 2 ? Tile / 2 : Tile;
        int bytes = 6016 + (((2 * Tile) + (3 * keys)) * RowBytes(index));
        if (argument.ShapesScores) bytes += 2 * SlotBytes * keys / Tile;
        return Fitting(queue, new(index, Tile, bytes));
    }

    /// <summary>The kernel of the keys' and values' gradients; null where there is none.</summary>
    public static AttentionTensorTiles? KeyGradients(
        CudaQueue queue, in AttentionArgument argument, DType type)
    {
        int index = Width(queue, argument, type);
        if (index > (queue.Device.ComputeCapability < 80 ? 0 : 2)) return null;
        int rows = index == 0 ? Tile : Tile / 2;
        int bytes = 8064 + (((2 * Tile) + (4 * rows)) * RowBytes(index));
        if (argument.ShapesScores) bytes += 2 * SlotBytes * rows / Tile;
        return Fitting(queue, new(index, rows, bytes));
    }

    private static int Width(CudaQueue queue, in AttentionArgument argument, DType type)
    {
        // Older devices multiply Float16 alone.
        if (type == DType.Float32) return int.MaxValue;
        if (type == DType.BFloat16 && queue.Device.ComputeCapability < 80) return int.MaxValue;
        int width = Math.Max(argument.HeadDimension, argument.ValueDimension);
        return width <= 64 ? 0 : width <= 128 ? 1 : width <= 256 ? 2 : int.MaxValue;
    }

    private static int RowBytes(int index) => (64 << index) * sizeof(short);

    private static AttentionTensorTiles? Fitting(CudaQueue queue, AttentionTensorTiles tiles) =>
        tiles.SharedBytes <= queue.Device.SharedBytes ? tiles : null;
}
