using System.Numerics;
using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>
/// The product of few rows and a transposed right operand, as in decoding: c[i, n] = a[i]·b[n],
/// both contiguous along the depth.
/// </summary>
/// <remarks>
/// Shapes: a [rows, depth], b [columns, depth], c [rows, columns].
/// Work: a batch owns a range of columns; four rows of b at a time stay in the first-level cache
/// while groups of up to six rows of a pass over them. Where there is more than one group the
/// depth is cut into blocks of 1,024, so that this holds at any depth; the rows of a, up to 256 KiB
/// of a block, are read from the second-level cache.
/// Bytes: b is read once, in place, and nothing is packed; rows/2 operations a byte, so up to some
/// eight rows the floor is the time to read b, from there on the arithmetic.
/// Numerics: each sum is kept per lane along a block of the depth and added across lanes at its
/// end; the order is fixed.
/// </remarks>
internal static unsafe class MatVec
{
    /// <summary>The most rows for which this way is chosen: with more, packing b for wider tiles
    /// costs less than adding across lanes.</summary>
    public static int MostRows(int panelVectors) => panelVectors == 4 ? 64 : 16;

    /// <summary>Whether this way is the faster one.</summary>
    public static bool Suits(in MatMulProblem problem, int panelVectors) =>
        problem.Rows <= MostRows(panelVectors) && !problem.A.Transposed && problem.B.Transposed;

    /// <summary>Runs the product.</summary>
    public static void Run<T, TEpilogue>(
        in MatMulProblem problem, int panelVectors, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        using HostBlock copy = WideLeft.Rent(in problem);
        MatMulProblem single = WideLeft.Fill(in problem, copy.Pointer<float>());
        StoredDispatch.Run(problem.B.Type, DType.Float32,
            new Action<T, TEpilogue>(in single, panelVectors, in epilogue));
    }

    private readonly struct Action<T, TEpilogue>(
        in MatMulProblem problem, int panelVectors, in TEpilogue epilogue) : IStoredAction
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        private readonly MatMulProblem problem = problem;
        private readonly TEpilogue epilogue = epilogue;

        public void Run<TStored, TUnused>()
            where TStored : struct, IStoredFloat where TUnused : struct, IStoredFloat
        {
            MatVecWork<T, TEpilogue, TStored> work = new(in problem, panelVectors, in epilogue);
            CpuParallel.For(work.Batches, ref work);
        }
    }
}

/// <summary>The blocks of columns of one such product.</summary>
internal readonly unsafe struct MatVecWork<T, TEpilogue, TStored> : IBatchWork
    where T : struct, ISimdFloat<T>
    where TEpilogue : struct, IEpilogue
    where TStored : struct, IStoredFloat
{
    private const int MostRows = 64;
    private const int ColumnBlock = MatVecTile.ColumnBlock;
    private const int DepthBlock = 1024;
    private const long BatchFloats = 1 << 15;

    private readonly MatMulProblem problem;
    private readonly TEpilogue epilogue;
    private readonly int columnsPerBatch;
    private readonly int group;
    private readonly int depthBlock;

    /// <summary>Prepares the product.</summary>
    public MatVecWork(in MatMulProblem problem, int panelVectors, in TEpilogue epilogue)
    {
        this.problem = problem;
        this.epilogue = epilogue;
        group = panelVectors == 4 ? MatVecTile.Rows : 2;
        depthBlock = problem.Rows <= group ? Math.Max(1, problem.Depth) : DepthBlock;
        long floats = ColumnBlock * Math.Max(1L, problem.Depth);
        long blocks = ((long)problem.Columns + ColumnBlock - 1) / ColumnBlock;
        columnsPerBatch = (int)Math.Clamp(BatchFloats / floats, 1, blocks) * ColumnBlock;
        Batches = (problem.Columns + columnsPerBatch - 1) / columnsPerBatch;
    }

    /// <summary>Blocks of the product.</summary>
    public int Batches { get; }

    public void Run(int batch)
    {
        int column = batch * columnsPerBatch;
        int end = Math.Min(problem.Columns, column + columnsPerBatch);
        for (; column < end; column += ColumnBlock)
        {
            Block(column, Math.Min(ColumnBlock, end - column));
        }
    }

    [SkipLocalsInit]
    private void Block(int column, int columns)
    {
        float* sums = stackalloc float[MostRows * ColumnBlock];
        new Span<float>(sums, problem.Rows * ColumnBlock).Clear();
        for (int k = 0; k < problem.Depth; k += depthBlock)
        {
            int depth = Math.Min(depthBlock, problem.Depth - k);
            for (int n = 0; n < columns; n += 4)
            {
                Columns(column + n, columns - n, k, depth, sums + n);
            }
        }

        if (!problem.NarrowsC)
        {
            BlockTarget target = new(
                (nint)problem.CAt(0, column), problem.CStride, 0, column, problem.Rows);
            MatMulBlock.Finish<T, TEpilogue>(
                sums, ColumnBlock, problem.Rows, columns, in target, 0, 0, problem.Accumulate,
                in epilogue);
            return;
        }

        float* results = stackalloc float[MostRows * ColumnBlock];
        BlockTarget wide = new((nint)results, ColumnBlock, 0, column, problem.Rows);
        if (problem.Accumulate) NarrowTarget.Load(in problem, in wide, columns);
        MatMulBlock.Finish<T, TEpilogue>(
            sums, ColumnBlock, problem.Rows, columns, in wide, 0, 0, problem.Accumulate,
            in epilogue);
        NarrowTarget.Store(in problem, in wide, columns);
    }

    private void Columns(int column, int count, int k, int depth, float* sums)
    {
        MatrixView a = problem.A, b = problem.B;
        byte* source = b.At(column, k);
        int groups = (problem.Rows + group - 1) / group;
        if (groups > 1 && b.IsNarrow)
        {
            WideColumns(source, Math.Min(4, count), k, depth, sums);
            return;
        }

        int slow = BitOperations.Log2((uint)groups);
        nint bytes = b.Stride * TStored.Size;
        for (int pass = 0; pass < groups; pass++)
        {
            int row = pass * group;
            int rows = Math.Min(group, problem.Rows - row);
            // A part of the four rows after these, where there are any.
            nint ahead = column + 4 < problem.Columns && pass < 1 << slow
                ? 4 * b.Stride + pass * ((nint)depth >> slow) : 0;
            TileRows left = new(a.Floats(row, k), a.Stride, 1, rows);
            FourColumns right = new(source, bytes, count, ahead, slow);
            MatVecTile.Add<T, TStored>(in left, rows, in right, depth, sums + row * ColumnBlock);
        }
    }

    /// <summary>The same where several groups of rows read columns stored in 16 bits: these are
    /// widened once, to lie in the first-level cache.</summary>
    [SkipLocalsInit]
    private void WideColumns(byte* source, int count, int k, int depth, float* sums)
    {
        float* wide = stackalloc float[4 * DepthBlock];
        nint bytes = problem.B.Stride * TStored.Size;
        for (int n = 0; n < count; n++)
            FloatStorage.Widen(problem.B.Type, source + n * bytes, wide + n * DepthBlock, depth);
        MatrixView a = problem.A;
        for (int row = 0; row < problem.Rows; row += group)
        {
            int rows = Math.Min(group, problem.Rows - row);
            TileRows left = new(a.Floats(row, k), a.Stride, 1, rows);
            FourColumns right = new((byte*)wide, DepthBlock * sizeof(float), count, 0, 0);
            MatVecTile.Add<T, StoredFloat32>(
                in left, rows, in right, depth, sums + row * ColumnBlock);
        }
    }
}
