using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>table[ids[r]] += scale·dY[r] for numbers stored in 16 bits: a row of the table is read
/// once, gathers all that is added to it in binary32, and is rounded once.</summary>
/// <remarks>
/// Shapes: ids [Rows] Int32; dY [Rows, Width]; gradients of tables [·, Width].
/// Work: the rows of dY with one id form a chain; a batch is 16 rows, and whoever has a chain's
/// first row walks all of it, in order of rows, whatever the number of threads. Where a table has
/// so few rows that chains are long, a batch has 64 columns of them only.
/// Memory: a chain's next row for each row and its first for each row of the table; 1,024 floats
/// each of a sum and of a row on the stack.
/// Bytes: dY read once, a touched row of the table read and written once: bound by memory,
/// scattered.
/// Numerics: binary32; one rounding on storing.
/// Preconditions: Float32, Float16 or BFloat16 each; ids within their tables.
/// Source: the chain rule.
/// </remarks>
internal static unsafe class EmbeddingScatter
{
    private const int PieceLength = 1024;
    private const int FewEntries = 64;
    private const int FewColumns = 64;
    private const int None = -1;

    /// <summary>Adds to every table of the call.</summary>
    public static void Run(in EmbeddingBackward call)
    {
        int* positions = call.PositionIds.Pointer<int>();
        Add(in call, call.TableGradient, call.Ids.Pointer<int>(), 0, call.EffectiveScale);
        Add(in call, call.PositionTableGradient, positions,
            positions == null ? call.SequenceLength : 0, 1);
        Add(in call, call.SegmentTableGradient, call.SegmentIds.Pointer<int>(), 0, 1);
    }

    private static void Add(
        in EmbeddingBackward call, BufferView table, int* ids, int period, double scale)
    {
        if (table.IsAbsent || call.Rows == 0) return;
        long entries = table.Length / call.Width;
        using HostBlock scratch = HostMemory.Rent((entries + call.Rows) * sizeof(int));
        Work work = new()
        {
            Gradient = call.OutputGradient,
            Table = table,
            Ids = ids,
            Period = period,
            Rows = call.Rows,
            Width = call.Width,
            BatchColumns = entries < FewEntries ? FewColumns : call.Width,
            Scale = (float)scale,
            First = scratch.Pointer<int>(),
            Next = scratch.Pointer<int>() + entries,
        };
        new Span<int>(work.First, checked((int)entries)).Fill(None);
        for (int row = call.Rows - 1; row >= 0; row--)
        {
            int id = work.Id(row);
            work.Next[row] = work.First[id];
            work.First[id] = row;
        }

        CpuParallel.For(
            checked(RowBatches.Count(call.Rows) * work.ColumnBatches), ref work);
    }

    private struct Work : IBatchWork
    {
        public BufferView Gradient, Table;
        public int* Ids, First, Next;
        public int Period, Rows, Width, BatchColumns;
        public float Scale;

        public readonly int ColumnBatches => (Width + BatchColumns - 1) / BatchColumns;

        public readonly int Id(int row) => Ids != null ? Ids[row] : row % Period;

        public readonly void Run(int batch)
        {
            float* sum = stackalloc float[PieceLength];
            float* copy = stackalloc float[PieceLength];
            (int rowBatch, int columnBatch) = Math.DivRem(batch, ColumnBatches);
            (int first, int last) = RowBatches.Range(rowBatch, Rows);
            int column = columnBatch * BatchColumns;
            int end = Math.Min(Width, column + BatchColumns);
            for (int row = first; row < last; row++)
            {
                int id = Id(row);
                if (First[id] != row) continue;
                for (int start = column; start < end; start += PieceLength)
                {
                    int count = Math.Min(PieceLength, end - start);
                    BufferView target = Table.Slice(((long)id * Width) + start, count);
                    FloatStorage.Widen(target.DType, (void*)target.Address, sum, count);
                    for (int r = row; r != None; r = Next[r])
                    {
                        float* addend = FloatStorage.Single(
                            Gradient.Slice(((long)r * Width) + start, count), copy);
                        SimdDispatch.Run(new ScaledSum(addend, Scale, sum, count));
                    }

                    FloatStorage.Narrow(target.DType, sum, (void*)target.Address, count);
                }
            }
        }
    }

    private readonly struct ScaledSum(float* addend, float scale, float* sum, int count)
        : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            T s = T.Broadcast(scale);
            for (int i = 0; i < count; i += T.Width)
            {
                T x = SimdTail.Load<T>(addend + i, count - i);
                T y = SimdTail.Load<T>(sum + i, count - i);
                SimdTail.Store(T.MultiplyAdd(x, s, y), sum + i, count - i);
            }
        }
    }
}
