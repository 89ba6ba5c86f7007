using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>Launches native/FusedAttention/attention_hopper_forward.cu where it can: compute
/// capability 9.0, 16-bit elements, heads up to 128 wide in rows of whole 16 bytes, more than a few
/// queries, and scores that are only scaled and hidden outside of an interval of keys.</summary>
internal sealed class AttentionHopper(CudaQueue queue)
{
    private const int Rows = 128, Keys = 128, FewQueries = 8;
    private const uint Threads = 384;
    private const int BarrierBytes = 256, AlignmentBytes = 1024;

    // The argument's rows of query, key, value and output are whole chunks.
    private const int AllAligned = 1 | 2 | 4 | 8;

    // By width, Float16 before BFloat16.
    private readonly CudaKernel[] kernels =
    [
        Named(queue, "f16", 64), Named(queue, "f16", 128),
        Named(queue, "bf16", 64), Named(queue, "bf16", 128),
    ];

    /// <summary>Launches the kernel; false where it is not for this call.</summary>
    public bool TryRun(in AttentionArgument given, in AttentionInputs inputs)
    {
        DType type = inputs.Query.DType;
        int width = Math.Max(given.HeadDimension, given.ValueDimension);
        if (!queue.Device.IsHopper || type == DType.Float32 || width > 128) return false;
        if (given.QueryLength <= FewQueries || given.KeyLength == 0) return false;
        if (given.AlignedTensors != AllAligned || given.ShapesScores) return false;
        if (given.DropProbability > 0 || given.Sinks != 0 || given.BlockTable != 0) return false;
        if (!(given.Scale > 0)) return false;
        bool wide = width > 64;
        Argument argument = new() { Attention = given };
        argument.Attention.Tiles = AttentionArgument.Blocks(given.QueryLength, Rows);
        argument.Query = Map(inputs.Query, given.QueryStrides, given.HeadDimension,
            given.QueryOffsets == 0 ? given.QueryLength : given.TotalQueries, given.QueryHeads,
            given.QueryOffsets == 0 ? given.Batch : 1, Rows / 2);
        long stored = given.KeyOffsets == 0 ? given.KeyLength : given.TotalKeys;
        int outer = given.KeyOffsets == 0 ? given.Batch : 1;
        argument.Key = Map(inputs.Key, given.KeyStrides, given.HeadDimension, stored,
            given.KeyHeads, outer, Keys);
        argument.Value = Map(inputs.Value, given.ValueStrides, given.ValueDimension, stored,
            given.KeyHeads, outer, Keys);
        long tasks = (long)argument.Attention.Tiles * given.QueryHeads * given.Batch;
        uint blocks = (uint)Math.Min(tasks, queue.Device.Multiprocessors);
        int rows = Rows + (2 * (wide ? 2 : 4) * Keys);
        int bytes = AlignmentBytes + (rows * (wide ? 256 : 128)) + BarrierBytes;
        kernels[(type == DType.BFloat16 ? 2 : 0) + (wide ? 1 : 0)].Launch(
            new(blocks, Threads, bytes), argument);
        return true;
    }

    private TensorMap Map(
        BufferView view, AttentionStrides strides, int width, long rows, int heads, int outer,
        int boxRows) => TensorMap.Of(queue.Device, view, [width, Math.Max(1, rows), heads, outer],
            [strides.Sequence, strides.Head, strides.Batch], boxRows);

    private static CudaKernel Named(CudaQueue queue, string type, int width) =>
        queue.Kernel("attention_hopper_forward", $"attention_hopper_forward_{type}_width_{width}");

    // Field by field that of the kernel, whose size is a multiple of its alignment.
    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public TensorMap Query, Key, Value;
        public AttentionArgument Attention;
        public Rest Padding;
    }

    [InlineArray(Size)]
    private struct Rest
    {
        public const int Size = 7;
        private ulong first;
    }
}
