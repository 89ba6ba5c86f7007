using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sum of token, position and segment vectors, and their gradients.</summary>
/// <remarks>
/// Formula: output[r] = scale·table[ids[r]] + positionTable[position(r)] +
/// segmentTable[segmentIds[r]]; backward adds scale·outputGradient[r] to the token's row and
/// outputGradient[r] to the other two.
/// Shapes: ids [Rows]; tables [·, Width]; output [Rows, Width]; all contiguous.
/// Work: one thread, row by row; backward sums each table in double before it is added.
/// Bytes: forward reads up to three rows and writes one; two additions an element.
/// Numerics: double, one rounding on writing.
/// Preconditions: a validated call; an id outside its table is an ArgumentException.
/// </remarks>
internal sealed unsafe class EmbeddingReference : IKernel<EmbeddingForward>,
    IKernel<EmbeddingBackward>
{
    public void Run(in EmbeddingForward call)
    {
        CheckIds(call.Ids, call.PositionIds, call.SegmentIds, call.Table, call.PositionTable,
            call.SegmentTable, call.Width);
        for (int r = 0; r < call.Rows; r++)
        {
            long token = (long)call.Ids.Pointer<int>()[r] * call.Width;
            long position = (long)Position(call.PositionIds, r, call.SequenceLength) * call.Width;
            long segment = (long)Segment(call.SegmentIds, r) * call.Width;
            for (int w = 0; w < call.Width; w++)
            {
                double value = call.EffectiveScale * ReferenceBuffers.Get(call.Table, token + w);
                if (call.PositionTable.IsPresent)
                {
                    value += ReferenceBuffers.Get(call.PositionTable, position + w);
                }

                if (call.SegmentTable.IsPresent)
                {
                    value += ReferenceBuffers.Get(call.SegmentTable, segment + w);
                }

                ReferenceBuffers.Set(call.Output, ((long)r * call.Width) + w, value);
            }
        }
    }

    public void Run(in EmbeddingBackward call)
    {
        CheckIds(call.Ids, call.PositionIds, call.SegmentIds, call.TableGradient,
            call.PositionTableGradient, call.SegmentTableGradient, call.Width);
        double[] gradient = ReferenceBuffers.Read(call.OutputGradient);
        double[] table = new double[call.TableGradient.Length];
        double[] positions = new double[call.PositionTableGradient.Length];
        double[] segments = new double[call.SegmentTableGradient.Length];
        for (int r = 0; r < call.Rows; r++)
        {
            ReadOnlySpan<double> row = gradient.AsSpan(r * call.Width, call.Width);
            AddRow(table, call.Ids.Pointer<int>()[r], row, call.EffectiveScale);
            AddRow(positions, Position(call.PositionIds, r, call.SequenceLength), row, 1);
            AddRow(segments, Segment(call.SegmentIds, r), row, 1);
        }

        ReferenceBuffers.Add(call.TableGradient, table);
        ReferenceBuffers.Add(call.PositionTableGradient, positions);
        ReferenceBuffers.Add(call.SegmentTableGradient, segments);
    }

    private static void AddRow(double[] table, int id, ReadOnlySpan<double> row, double scale)
    {
        if (table.Length == 0) return;
        Span<double> target = table.AsSpan(id * row.Length, row.Length);
        for (int w = 0; w < row.Length; w++) target[w] += scale * row[w];
    }

    private static int Position(BufferView positionIds, int row, int sequenceLength) =>
        positionIds.IsPresent ? positionIds.Pointer<int>()[row] : row % sequenceLength;

    private static int Segment(BufferView segmentIds, int row) =>
        segmentIds.IsPresent ? segmentIds.Pointer<int>()[row] : 0;

    private static void CheckIds(
        BufferView ids, BufferView positionIds, BufferView segmentIds, BufferView table,
        BufferView positionTable, BufferView segmentTable, int width)
    {
        if (table.IsPresent)
        {
            IdCheck.InRange(EmbeddingForward.Op, "ids", ids, table.Length / width);
        }

        if (positionTable.IsPresent)
        {
            IdCheck.InRange(EmbeddingForward.Op, "positionIds", positionIds,
                positionTable.Length / width);
        }

        if (segmentTable.IsPresent)
        {
            IdCheck.InRange(EmbeddingForward.Op, "segmentIds", segmentIds,
                segmentTable.Length / width);
        }
    }
}
