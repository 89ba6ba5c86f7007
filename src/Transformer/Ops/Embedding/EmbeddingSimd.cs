using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// output[r] = scale·table[ids[r]] + positionTable[position(r)] + segmentTable[segmentIds[r]].
/// </summary>
/// <remarks>
/// Shapes: ids, positionIds, segmentIds [Rows] Int32; tables [·, Width]; output [Rows, Width].
/// Work: a batch is 16 rows; a row belongs to one thread, a vector to 16/8/4 columns of it.
/// Bytes: one row of each table read, one row written: bound by memory, table rows scattered.
/// Numerics: binary32, terms added in the order of the formula.
/// Preconditions: a validated call on Float32 tables; ids are checked against their tables before
/// anything is written.
/// Source: Vaswani et al. 2017, §3.4 and §3.5; Devlin et al. 2019 (segments).
/// </remarks>
internal sealed unsafe class EmbeddingForwardSimd : IKernel<EmbeddingForward>
{
    public bool Supports(in EmbeddingForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("table", call.Table),
            ("positionTable", call.PositionTable), ("segmentTable", call.SegmentTable),
            ("output", call.Output));

    public void Run(in EmbeddingForward call)
    {
        EmbeddingSimd.CheckIds(
            call.Ids, call.Table, call.PositionIds, call.PositionTable, call.SegmentIds,
            call.SegmentTable, call.Width);
        SimdDispatch.Run(new EmbeddingForwardAction(call));
    }

    private readonly struct EmbeddingForwardAction(EmbeddingForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(in call);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly int* ids, positionIds, segmentIds;
        private readonly float* table, positionTable, segmentTable, output;
        private readonly int rows, sequenceLength, width;
        private readonly float scale;
        private readonly bool streaming;

        public Work(in EmbeddingForward call)
        {
            ids = call.Ids.Pointer<int>();
            positionIds = call.PositionIds.Pointer<int>();
            segmentIds = call.SegmentIds.Pointer<int>();
            table = call.Table.Pointer<float>();
            positionTable = call.PositionTable.Pointer<float>();
            segmentTable = call.SegmentTable.Pointer<float>();
            output = call.Output.Pointer<float>();
            rows = call.Rows;
            sequenceLength = call.SequenceLength;
            width = call.Width;
            scale = (float)call.EffectiveScale;
            streaming = SimdStream.Pays(output, rows, width);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                float* token = table + ((long)ids[row] * width);
                int position = positionIds != null ? positionIds[row] : row % sequenceLength;
                float* positionRow =
                    positionTable == null ? null : positionTable + ((long)position * width);
                float* segmentRow = segmentTable == null
                    ? null : segmentTable + ((long)segmentIds[row] * width);
                // The next token's row lies anywhere in the table: asked for beforehand.
                float* next = row + 1 < last ? table + ((long)ids[row + 1] * width) : token;
                Sum(token, positionRow, segmentRow, next, output + ((long)row * width));
            }

            if (streaming) SimdStream.Fence();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sum(
            float* token, float* position, float* segment, float* next, float* result)
        {
            T s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(next + i);
                T value = T.Load(token + i) * s;
                if (position != null) value += T.Load(position + i);
                if (segment != null) value += T.Load(segment + i);
                SimdStream.Store(value, result + i, streaming);
            }

            for (; i < width; i++)
            {
                float value = token[i] * scale;
                if (position != null) value += position[i];
                if (segment != null) value += segment[i];
                result[i] = value;
            }
        }
    }
}
