using System.Runtime.CompilerServices;
using Transformer.Backends;

namespace Transformer.Numerics;

/// <summary>sums[j] += Σᵢ x[i, j]: the gradient of a bias.</summary>
/// <remarks>
/// Shapes: x [rows, columns], sums [columns].
/// Work: a batch owns 64 columns and all rows.
/// Registers: four sums, so that additions overlap.
/// Bytes: 4 bytes an element for one addition: bound by memory.
/// Numerics: 64 rows are summed in registers, then added to the total, so the error grows with
/// 64 + rows/64 additions instead of rows.
/// </remarks>
internal static unsafe class ColumnSums
{
    private const int RowsPerPart = 64;

    /// <summary>Adds the sums.</summary>
    public static void Add<T>(float* x, int rows, int columns, float* sums)
        where T : struct, ISimdFloat<T>
    {
        Work<T> work = new(x, rows, columns, sums);
        CpuParallel.For(work.Batches, ref work);
    }

    private readonly struct Work<T>(float* x, int rows, int columns, float* sums) : IBatchWork
        where T : struct, ISimdFloat<T>
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
                    float* from = x + (nint)r * columns + column;
                    s0 += T.Load(from);
                    s1 += T.Load(from + T.Width);
                    s2 += T.Load(from + 2 * T.Width);
                    s3 += T.Load(from + 3 * T.Width);
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
                    sum += SimdTail.Load<T>(x + (nint)r * columns + column, count);
                }

                SimdTail.Store(SimdTail.Load<T>(to, count) + sum, to, count);
            }
        }
    }
}
