using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output[r] = scale·table[ids[r]] + positionTable[position(r)] + segmentTable[segmentIds[r]].
/// </summary>
/// <remarks>
/// Shapes: ids, positionIds, segmentIds [Rows] Int32; tables [·, Width]; output [Rows, Width].
/// Work: a batch is 16 rows; a row belongs to one thread, a vector to 16/8/4 columns of it.
/// Bytes: one row of each table read, one row written: bound by memory, table rows scattered.
/// Numbers of 16 bits are widened and rounded in registers.
/// Numerics: binary32, terms added in the order of the formula.
/// Preconditions: a validated call; tables of one type and output of any, each Float32, Float16 or
/// BFloat16; ids are checked against their tables before anything is written.
/// Source: Vaswani et al. 2017, §3.4 and §3.5; Devlin et al. 2019 (segments).
/// </remarks>
internal sealed unsafe class EmbeddingForwardSimd : IKernel<EmbeddingForward>
{
    public bool Supports(in EmbeddingForward call, out string? reason)
    {
        DType type = call.Table.DType;
        bool one = (call.PositionTable.IsAbsent || call.PositionTable.DType == type)
            && (call.SegmentTable.IsAbsent || call.SegmentTable.DType == type);
        if (!one) reason = "takes tables of one type; convert them first";
        else SimdSupport.AllStorage(out reason, ("table", call.Table), ("output", call.Output));
        return reason is null;
    }

    public void Run(in EmbeddingForward call)
    {
        EmbeddingSimd.CheckIds(
            call.Ids, call.Table, call.PositionIds, call.PositionTable, call.SegmentIds,
            call.SegmentTable, call.Width);
        SimdDispatch.Run(new EmbeddingForwardAction(call));
    }

    private readonly struct EmbeddingForwardAction(EmbeddingForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T> => StoredDispatch.Run(
            call.Table.DType, call.Output.DType, new StoredAction<T>(call));
    }

    private readonly struct StoredAction<T>(EmbeddingForward call) : IStoredAction
        where T : struct, ISimdFloat<T>
    {
        public void Run<TTable, TOutput>()
            where TTable : struct, IStoredFloat where TOutput : struct, IStoredFloat
        {
            Work<T, TTable, TOutput> work = new(in call);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T, TTable, TOutput> : IBatchWork
        where T : struct, ISimdFloat<T>
        where TTable : struct, IStoredFloat
        where TOutput : struct, IStoredFloat
    {
        private readonly int* ids, positionIds, segmentIds;
        private readonly byte* table, positionTable, segmentTable, output;
        private readonly int rows, sequenceLength, width;
        private readonly float scale;
        private readonly bool streaming;

        public Work(in EmbeddingForward call)
        {
            ids = call.Ids.Pointer<int>();
            positionIds = call.PositionIds.Pointer<int>();
            segmentIds = call.SegmentIds.Pointer<int>();
            table = (byte*)call.Table.Address;
            positionTable = (byte*)call.PositionTable.Address;
            segmentTable = (byte*)call.SegmentTable.Address;
            output = (byte*)call.Output.Address;
            rows = call.Rows;
            sequenceLength = call.SequenceLength;
            width = call.Width;
            scale = (float)call.EffectiveScale;
            streaming = SimdStream.Pays(output, rows, (long)width * TOutput.Size);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            nint rowBytes = (nint)width * TTable.Size;
            for (int row = first; row < last; row++)
            {
                byte* token = table + (ids[row] * rowBytes);
                int position = positionIds != null ? positionIds[row] : row % sequenceLength;
                byte* positionRow =
                    positionTable == null ? null : positionTable + (position * rowBytes);
                byte* segmentRow =
                    segmentTable == null ? null : segmentTable + (segmentIds[row] * rowBytes);
                // The next token's row lies anywhere in the table: asked for beforehand.
                byte* next = row + 1 < last ? table + (ids[row + 1] * rowBytes) : token;
                Sum(token, positionRow, segmentRow, next,
                    output + ((nint)row * width * TOutput.Size));
            }

            if (streaming) SimdStream.Fence();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sum(
            byte* token, byte* position, byte* segment, byte* next, byte* result)
        {
            T s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(next + ((nint)i * TTable.Size));
                T value = TTable.Load<T>(token, i) * s;
                if (position != null) value += TTable.Load<T>(position, i);
                if (segment != null) value += TTable.Load<T>(segment, i);
                if (streaming) TOutput.StoreStreaming(value, result, i);
                else TOutput.Store(value, result, i);
            }

            if (i == width) return;
            int rest = width - i;
            T last = StoredTail.Load<T, TTable>(token, i, rest) * s;
            if (position != null) last += StoredTail.Load<T, TTable>(position, i, rest);
            if (segment != null) last += StoredTail.Load<T, TTable>(segment, i, rest);
            StoredTail.Store<T, TOutput>(last, result, i, rest);
        }
    }
}
