using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>A forward kernel on tensor cores: native/FusedAttention/attention_tensor_forward.cu.
/// </summary>
/// <param name="Index">0, 1 and 2 for widths of 64, 128 and 256.</param>
/// <param name="Rows">Query rows of a block.</param>
/// <param name="SharedBytes">Shared memory of a block.</param>
internal readonly record struct AttentionTensorTiles(int Index, int Rows, int SharedBytes)
{
    // Of a tile of keys; threads of a block, each with 32 scores of 16 rows.
    private const int Keys = 64, SlotBytes = 128 * 32 * sizeof(float);

    /// <summary>The kernel for a call; null where there is none.</summary>
    public static AttentionTensorTiles? Find(
        CudaQueue queue, in AttentionArgument argument, DType type)
    {
        int width = Math.Max(argument.HeadDimension, argument.ValueDimension);
        if (type == DType.Float32 || width > 256) return null;
        int index = width <= 64 ? 0 : width <= 128 ? 1 : 2;
        // PTX for what is older multiplies Float16 alone, and has less shared memory.
        if (queue.Device.ComputeCapability < 80 && (type != DType.Float16 || index == 2))
            return null;
        int rows = index == 0 ? 128 : 64, state = index == 0 ? 8832 : 5760;
        int bytes = state + ((rows + (2 * Keys)) * (64 << index) * sizeof(short));
        // Up to 128 the queries' place, which are in registers by then, does for the scores.
        if (index == 2 && argument.ShapesScores) bytes += SlotBytes;
        return bytes <= queue.Device.SharedBytes ? new(index, rows, bytes) : null;
    }
}
