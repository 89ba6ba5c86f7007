using System.Runtime.CompilerServices;
using Transformer.Backends;

namespace Transformer.Numerics;

/// <summary>
/// The product of few rows and a transposed right operand, as in decoding: c[i, n] = a[i]·b[n],
/// both contiguous along the depth.
/// </summary>
/// <remarks>
/// Shapes: a [rows, depth], b [columns, depth], c [rows, columns].
/// Work: a batch owns a range of columns; four rows of b at a time stay in the first-level cache
/// while pairs of rows of a pass over them.
/// Registers: 8 sums, one vector of b, 2 of a.
/// Bytes: b is read once, in place; rows/2 operations a byte, so for one row the floor is the time
/// to read b.
/// Numerics: each sum is kept per lane along the depth and added across lanes at the end; the order
/// is fixed.
/// </remarks>
internal static unsafe class MatVec
{
    /// <summary>The most rows for which this way is chosen.</summary>
    public const int MostRows = 16;

    private const int ColumnBlock = 64;
    private const long BatchFloats = 1 << 15;

    /// <summary>Whether this way is the faster one.</summary>
    public static bool Suits(in MatMulProblem problem) =>
        problem.Rows <= MostRows && !problem.A.Transposed && problem.B.Transposed;

    /// <summary>Runs the product.</summary>
    public static void Run<T, TEpilogue>(in MatMulProblem problem, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        Work<T, TEpilogue> work = new(in problem, in epilogue);
        CpuParallel.For(work.Batches, ref work);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot2x4<T>(
        float* a, nint aStride, in FourColumns columns, int depth, float* sums, nint sumStride)
        where T : struct, ISimdFloat<T>
    {
        float* a1 = a + aStride;
        float* b = columns.At(0);
        float* b1 = columns.At(1);
        float* b2 = columns.At(2);
        float* b3 = columns.At(3);
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            nint left = depth - k;
            T x0 = SimdTail.Load<T>(a + k, left);
            T x1 = SimdTail.Load<T>(a1 + k, left);
            T y = SimdTail.Load<T>(b + k, left);
            c00 = T.MultiplyAdd(x0, y, c00);
            c10 = T.MultiplyAdd(x1, y, c10);
            y = SimdTail.Load<T>(b1 + k, left);
            c01 = T.MultiplyAdd(x0, y, c01);
            c11 = T.MultiplyAdd(x1, y, c11);
            y = SimdTail.Load<T>(b2 + k, left);
            c02 = T.MultiplyAdd(x0, y, c02);
            c12 = T.MultiplyAdd(x1, y, c12);
            y = SimdTail.Load<T>(b3 + k, left);
            c03 = T.MultiplyAdd(x0, y, c03);
            c13 = T.MultiplyAdd(x1, y, c13);
        }

        StoreSums(sums, c00, c01, c02, c03);
        StoreSums(sums + sumStride, c10, c11, c12, c13);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot1x4<T>(float* a, in FourColumns columns, int depth, float* sums)
        where T : struct, ISimdFloat<T>
    {
        float* b = columns.At(0);
        float* b1 = columns.At(1);
        float* b2 = columns.At(2);
        float* b3 = columns.At(3);
        T c0 = T.Zero, c1 = T.Zero, c2 = T.Zero, c3 = T.Zero;
        for (nint k = 0; k < depth; k += T.Width)
        {
            nint left = depth - k;
            T x = SimdTail.Load<T>(a + k, left);
            c0 = T.MultiplyAdd(x, SimdTail.Load<T>(b + k, left), c0);
            c1 = T.MultiplyAdd(x, SimdTail.Load<T>(b1 + k, left), c1);
            c2 = T.MultiplyAdd(x, SimdTail.Load<T>(b2 + k, left), c2);
            c3 = T.MultiplyAdd(x, SimdTail.Load<T>(b3 + k, left), c3);
        }

        StoreSums(sums, c0, c1, c2, c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSums<T>(float* sums, T c0, T c1, T c2, T c3)
        where T : struct, ISimdFloat<T>
    {
        sums[0] = T.Sum(c0);
        sums[1] = T.Sum(c1);
        sums[2] = T.Sum(c2);
        sums[3] = T.Sum(c3);
    }

    /// <summary>Four stored rows of b; behind the last the last is read again, its sums dropped.
    /// </summary>
    private readonly struct FourColumns(float* data, nint stride, int count)
    {
        public float* At(int column) => data + Math.Min(column, count - 1) * stride;
    }

    private readonly struct Work<T, TEpilogue> : IBatchWork
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        private readonly MatMulProblem problem;
        private readonly TEpilogue epilogue;
        private readonly int columnsPerBatch;

        public Work(in MatMulProblem problem, in TEpilogue epilogue)
        {
            this.problem = problem;
            this.epilogue = epilogue;
            long blocks = Math.Max(1, BatchFloats / ((long)ColumnBlock * problem.Depth));
            columnsPerBatch = (int)Math.Min(
                blocks * ColumnBlock,
                ((long)problem.Columns + ColumnBlock - 1) / ColumnBlock * ColumnBlock);
        }

        public int Batches => (problem.Columns + columnsPerBatch - 1) / columnsPerBatch;

        public void Run(int batch)
        {
            int first = batch * columnsPerBatch;
            int end = Math.Min(problem.Columns, first + columnsPerBatch);
            for (int column = first; column < end; column += ColumnBlock)
            {
                Block(column, Math.Min(ColumnBlock, end - column));
            }
        }

        [SkipLocalsInit]
        private void Block(int column, int columns)
        {
            float* sums = stackalloc float[MostRows * ColumnBlock];
            float* a = problem.A.Data;
            nint aStride = problem.A.Stride;
            int rows = problem.Rows;
            for (int n = 0; n < columns; n += 4)
            {
                FourColumns b = new(
                    problem.B.Data + (column + n) * problem.B.Stride, problem.B.Stride,
                    columns - n);
                Columns(a, aStride, in b, rows, sums + n);
            }

            BlockTarget target = new(
                problem.C + column * sizeof(float), problem.CStride, 0, column, rows);
            MatMulBlock.Finish<T, TEpilogue>(
                sums, ColumnBlock, rows, columns, in target, 0, 0, problem.Accumulate,
                in epilogue);
        }

        private void Columns(
            float* a, nint aStride, in FourColumns b, int rows, float* sums)
        {
            int row = 0;
            for (; row + 2 <= rows; row += 2)
            {
                Dot2x4<T>(
                    a + row * aStride, aStride, in b, problem.Depth, sums + row * ColumnBlock,
                    ColumnBlock);
            }

            if (row < rows)
            {
                Dot1x4<T>(a + row * aStride, in b, problem.Depth, sums + row * ColumnBlock);
            }
        }
    }
}
