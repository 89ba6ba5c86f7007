using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>sums[j] += Σᵢ x[i, j]: the gradient of a bias.</summary>
/// <remarks>
/// Shapes: x [rows, columns], sums [columns]; Float32, Float16 or BFloat16 each.
/// Work: a batch owns 64 columns and all rows.
/// Registers: four sums, so that additions overlap.
/// Bytes: 4 bytes an element, or 2, for one addition: bound by memory.
/// Numerics: 64 rows are summed in registers, then added to the total, so the error grows with
/// 64 + rows/64 additions instead of rows.
/// </remarks>
internal static unsafe class ColumnSums
{
    private const int RowsPerPart = 64;

    /// <summary>Adds the sums.</summary>
    public static void Add<T>(BufferView x, int rows, int columns, BufferView sums)
        where T : struct, ISimdFloat<T>
    {
        using HostBlock copy = HostMemory.Rent(FloatStorage.CopyFloats(sums) * sizeof(float));
        float* wide = FloatStorage.Single(sums, copy.Pointer<float>());
        StoredDispatch.Run(x.DType, DType.Float32, new Action<T>(x, rows, columns, wide));
        if (sums.DType != DType.Float32)
            FloatStorage.Narrow(sums.DType, wide, (void*)sums.Address, columns);
    }

    private readonly struct Action<T>(BufferView x, int rows, int columns, float* sums)
        : IStoredAction
        where T : struct, ISimdFloat<T>
    {
        public void Run<TStored, TUnused>()
            where TStored : struct, IStoredFloat where TUnused : struct, IStoredFloat
        {
            Work<T, TStored> work = new((byte*)x.Address, rows, columns, sums);
            CpuParallel.For(work.Batches, ref work);
        }
    }

    private readonly struct Work<T, TStored>(byte* x, int rows, int columns, float* sums)
        : IBatchWork
        where T : struct, ISimdFloat<T> where TStored : struct, IStoredFloat
    {
        // Whole cache lines at every width.
        private static int BatchColumns => 64;

        public int Batches => (columns + BatchColumns - 1) / BatchColumns;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            int end = Math.Min(columns, (batch + 1) * BatchColumns);
            int column = batch * BatchColumns;
            for (; column + 4 * T.Width <= end; column += 4 * T.Width) Four(column);
            for (; column < end; column += T.Width) One(column, end - column);
        }

        private void Four(int column)
        {
            float* to = sums + column;
            for (int row = 0; row < rows; row += RowsPerPart)
            {
                int last = Math.Min(rows, row + RowsPerPart);
                T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
                for (int r = row; r < last; r++)
                {
                    nint from = (nint)r * columns + column;
                    s0 += TStored.Load<T>(x, from);
                    s1 += TStored.Load<T>(x, from + T.Width);
                    s2 += TStored.Load<T>(x, from + 2 * T.Width);
                    s3 += TStored.Load<T>(x, from + 3 * T.Width);
                }

                T.Store(T.Load(to) + s0, to);
                T.Store(T.Load(to + T.Width) + s1, to + T.Width);
                T.Store(T.Load(to + 2 * T.Width) + s2, to + 2 * T.Width);
                T.Store(T.Load(to + 3 * T.Width) + s3, to + 3 * T.Width);
            }
        }

        private void One(int column, int count)
        {
            float* to = sums + column;
            for (int row = 0; row < rows; row += RowsPerPart)
            {
                int last = Math.Min(rows, row + RowsPerPart);
                T sum = T.Zero;
                for (int r = row; r < last; r++)
                {
                    nint from = (nint)r * columns + column;
                    sum += count >= T.Width ? TStored.Load<T>(x, from)
                        : StoredTail.Load<T, TStored>(x, from, count);
                }

                SimdTail.Store(SimdTail.Load<T>(to, count) + sum, to, count);
            }
        }
    }
}
