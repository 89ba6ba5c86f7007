using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Embedding;

/// <summary>Launches native/Embedding/embedding_backward.cu.</summary>
/// <remarks>Rows whose id lies outside a table are left out of its gradient.</remarks>
internal sealed class EmbeddingBackwardCuda(CudaQueue queue) : IKernel<EmbeddingBackward>
{
    private const string File = "embedding_backward";
    private const uint Threads = 256, WarpsOfBlock = Threads / 32, ScanThreads = 1024;
    private const int PieceRows = 64;

    private readonly CudaKernel count = queue.Kernel(File, "embedding_count");
    private readonly CudaKernel scan = queue.Kernel(File, "embedding_scan");
    private readonly CudaKernel place = queue.Kernel(File, "embedding_place");
    private readonly CudaKernel order = queue.Kernel(File, "embedding_order");
    private readonly TypedKernel gather = new(queue, File, "embedding_gather_{0}");
    private readonly TypedKernel combine = new(queue, File, "embedding_combine_{0}");
    private readonly TypedKernel repeat = new(queue, File, "embedding_repeat_{0}");

    public bool Supports(in EmbeddingBackward call, out string? reason) => CudaTypes.Same(
        out reason, ("outputGradient", call.OutputGradient),
        ("tableGradient", call.TableGradient),
        ("positionTableGradient", call.PositionTableGradient),
        ("segmentTableGradient", call.SegmentTableGradient));

    public void Run(in EmbeddingBackward call)
    {
        if (call.Rows == 0) return;
        if (call.TableGradient.IsPresent)
            Gather(call, call.Ids, call.TableGradient, (float)call.EffectiveScale);
        if (call.SegmentTableGradient.IsPresent)
            Gather(call, call.SegmentIds, call.SegmentTableGradient, 1);
        if (call.PositionTableGradient.IsAbsent) return;
        if (call.PositionIds.IsPresent)
            Gather(call, call.PositionIds, call.PositionTableGradient, 1);
        else
            Repeat(call);
    }

    private static uint Blocks(long units, uint ofBlock) => (uint)((units + ofBlock - 1) / ofBlock);

    private static LaunchShape Warps(long rows, int width, DType type)
    {
        uint columns = Blocks(width, 32 * 16 / (uint)type.Size());
        return new(Blocks(rows, WarpsOfBlock), Threads, BlocksY: columns);
    }

    private static GatherArgument Argument(
        in EmbeddingBackward call, BufferView target, float scale) => new()
        {
            Gradient = call.OutputGradient.Address,
            Target = target.Address,
            Rows = call.Rows,
            TableRows = (int)(target.Length / call.Width),
            Width = call.Width,
            Length = call.SequenceLength,
            Aligned = CudaTypes.RowsAligned(call.Width, call.OutputGradient, target) ? 1 : 0,
            Scale = scale,
        };

    private void Repeat(in EmbeddingBackward call)
    {
        BufferView target = call.PositionTableGradient;
        repeat[target.DType].Launch(
            Warps(call.SequenceLength, call.Width, target.DType), Argument(call, target, 1));
    }

    private void Gather(in EmbeddingBackward call, BufferView ids, BufferView target, float scale)
    {
        long rows = call.Rows, tableRows = target.Length / call.Width;
        using CudaScratch integers = queue.Rent(((3 * rows) + (2 * tableRows)) * sizeof(int));
        long pieces = 2 * ((rows + PieceRows - 1) / PieceRows);
        using CudaScratch sums = queue.Rent(pieces * call.Width * sizeof(float));
        nint next = integers.Address;
        ListsArgument lists = new()
        {
            Ids = ids.Address,
            Counts = Take(ref next, tableRows),
            Starts = Take(ref next, tableRows),
            Places = Take(ref next, rows),
            Listed = Take(ref next, rows),
            Ordered = Take(ref next, rows),
            Rows = call.Rows,
            TableRows = (int)tableRows,
        };
        MakeLists(lists);
        GatherArgument argument = Argument(call, target, scale) with
        {
            Ids = ids.Address,
            Counts = lists.Counts,
            Starts = lists.Starts,
            Ordered = lists.Ordered,
            Pieces = sums.Address,
        };
        gather[target.DType].Launch(Warps(rows, call.Width, target.DType), argument);
        if (rows > PieceRows)
            combine[target.DType].Launch(Warps(tableRows, call.Width, target.DType), argument);
    }

    private void MakeLists(in ListsArgument lists)
    {
        LaunchShape perRow = new(Blocks(lists.Rows, Threads), Threads);
        CudaElements.Clear(queue, lists.Counts, (long)lists.TableRows * sizeof(int));
        count.Launch(perRow, lists);
        scan.Launch(new(1, ScanThreads, (int)ScanThreads * sizeof(int)), lists);
        place.Launch(perRow, lists);
        order.Launch(perRow, lists);
    }

    private static nint Take(ref nint next, long integers)
    {
        nint taken = next;
        next += (nint)(integers * sizeof(int));
        return taken;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ListsArgument
    {
        public nint Ids, Counts, Starts, Places, Listed, Ordered;
        public int Rows, TableRows;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct GatherArgument
    {
        public nint Ids, Counts, Starts, Ordered, Gradient, Target, Pieces;
        public int Rows, TableRows, Width, Length, Aligned;
        public float Scale;
    }
}
