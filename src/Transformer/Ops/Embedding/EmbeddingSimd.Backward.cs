using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// tableGradient[ids[r]] += scale·dY[r]; positions and segments likewise, unscaled.
/// </summary>
/// <remarks>
/// Shapes: ids [Rows] Int32; dY [Rows, Width]; gradients of tables [·, Width].
/// Work: a batch owns 32 columns of every table and walks all rows in order: no two threads touch
/// the same number, and sums are taken in the order of rows whatever the number of threads.
/// Bytes: dY read once, one table row read and written a row: bound by memory, scattered.
/// Numerics: binary32; gradients are added to what the tables hold.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; what is not all Float32 goes
/// to <see cref="EmbeddingScatter"/>. Ids are checked before anything is written.
/// Source: the chain rule.
/// </remarks>
internal sealed unsafe class EmbeddingBackwardSimd : IKernel<EmbeddingBackward>
{
    private const int ColumnsPerBatch = 32;

    public bool Supports(in EmbeddingBackward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("outputGradient", call.OutputGradient),
            ("tableGradient", call.TableGradient),
            ("positionTableGradient", call.PositionTableGradient),
            ("segmentTableGradient", call.SegmentTableGradient));

    public void Run(in EmbeddingBackward call)
    {
        EmbeddingSimd.CheckIds(
            call.Ids, call.TableGradient, call.PositionIds, call.PositionTableGradient,
            call.SegmentIds, call.SegmentTableGradient, call.Width);
        bool single = SimdSupport.IsSingle(call.OutputGradient)
            && SimdSupport.IsSingle(call.TableGradient)
            && SimdSupport.IsSingle(call.PositionTableGradient)
            && SimdSupport.IsSingle(call.SegmentTableGradient);
        if (single) SimdDispatch.Run(new EmbeddingBackwardAction(call));
        else EmbeddingScatter.Run(in call);
    }

    private readonly struct EmbeddingBackwardAction(EmbeddingBackward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(in call);
            CpuParallel.For((call.Width + ColumnsPerBatch - 1) / ColumnsPerBatch, ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly int* ids, positionIds, segmentIds;
        private readonly float* dy, table, positionTable, segmentTable;
        private readonly int rows, sequenceLength, width;
        private readonly float scale;

        public Work(in EmbeddingBackward call)
        {
            ids = call.Ids.Pointer<int>();
            positionIds = call.PositionIds.Pointer<int>();
            segmentIds = call.SegmentIds.Pointer<int>();
            dy = call.OutputGradient.Pointer<float>();
            table = call.TableGradient.Pointer<float>();
            positionTable = call.PositionTableGradient.Pointer<float>();
            segmentTable = call.SegmentTableGradient.Pointer<float>();
            rows = call.Rows;
            sequenceLength = call.SequenceLength;
            width = call.Width;
            scale = (float)call.EffectiveScale;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            int start = batch * ColumnsPerBatch;
            int count = Math.Min(ColumnsPerBatch, width - start);
            for (int row = 0; row < rows; row++)
            {
                float* gradient = dy + ((long)row * width) + start;
                if (table != null)
                {
                    AddScaled(gradient, scale, table + ((long)ids[row] * width) + start, count);
                }

                if (positionTable != null)
                {
                    int position = positionIds != null ? positionIds[row] : row % sequenceLength;
                    AddScaled(
                        gradient, 1, positionTable + ((long)position * width) + start, count);
                }

                if (segmentTable != null)
                {
                    AddScaled(gradient, 1,
                        segmentTable + ((long)segmentIds[row] * width) + start, count);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void AddScaled(float* source, float factor, float* target, int count)
        {
            T f = T.Broadcast(factor);
            int i = 0;
            for (; i + T.Width <= count; i += T.Width)
            {
                T.Store(T.MultiplyAdd(T.Load(source + i), f, T.Load(target + i)), target + i);
            }

            for (; i < count; i++) target[i] += source[i] * factor;
        }
    }
}

internal static class EmbeddingSimd
{
    public static void CheckIds(
        BufferView ids, BufferView table, BufferView positionIds, BufferView positionTable,
        BufferView segmentIds, BufferView segmentTable, int width)
    {
        const string op = "Embedding";
        if (table.IsPresent) IdCheck.InRange(op, "ids", ids, table.Length / width);
        if (positionTable.IsPresent)
        {
            IdCheck.InRange(op, "positionIds", positionIds, positionTable.Length / width);
        }

        if (segmentTable.IsPresent)
        {
            IdCheck.InRange(op, "segmentIds", segmentIds, segmentTable.Length / width);
        }
    }
}
