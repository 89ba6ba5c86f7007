using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;

namespace Transformer.Cuda.Embedding;

/// <summary>Launches native/Embedding/embedding.cu.</summary>
/// <remarks>An id outside its table makes its row NaN.</remarks>
internal sealed class EmbeddingForwardCuda(CudaQueue queue) : IKernel<EmbeddingForward>
{
    private const uint Threads = 256, WarpsOfBlock = Threads / 32;

    private readonly TypedKernel kernel = new(queue, "embedding", "embedding_forward_{0}");

    public bool Supports(in EmbeddingForward call, out string? reason) => CudaTypes.Same(
        out reason, ("table", call.Table), ("positionTable", call.PositionTable),
        ("segmentTable", call.SegmentTable), ("output", call.Output));

    public void Run(in EmbeddingForward call)
    {
        bool aligned = CudaTypes.RowsAligned(
            call.Width, call.Table, call.PositionTable, call.SegmentTable, call.Output);
        uint blocks = ((uint)call.Rows + WarpsOfBlock - 1) / WarpsOfBlock;
        kernel[call.Table.DType].Launch(new(blocks, Threads), new Argument
        {
            Table = call.Table.Address,
            Positions = call.PositionTable.Address,
            Segments = call.SegmentTable.Address,
            Output = call.Output.Address,
            Ids = call.Ids.Address,
            PositionIds = call.PositionIds.Address,
            SegmentIds = call.SegmentIds.Address,
            Rows = call.Rows,
            Length = call.SequenceLength,
            Width = call.Width,
            TableRows = (int)(call.Table.Length / call.Width),
            PositionRows = (int)(call.PositionTable.Length / call.Width),
            SegmentRows = (int)(call.SegmentTable.Length / call.Width),
            Aligned = aligned ? 1 : 0,
            Scale = (float)call.EffectiveScale,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Table, Positions, Segments, Output, Ids, PositionIds, SegmentIds;
        public int Rows, Length, Width, TableRows, PositionRows, SegmentRows, Aligned;
        public float Scale;
    }
}
