using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>A left operand that is stored in 16 bits, row-major: widened once, because the tiles
/// read it in place, for every panel of columns anew.</summary>
/// <remarks>
/// Shapes: a and its copy [rows, depth], the copy contiguous.
/// Work: a batch is about 32,768 elements.
/// Memory: the copy.
/// Bytes: 6 bytes an element, beside 2·columns operations.
/// Numerics: exact.
/// Preconditions: Float16 or BFloat16; anything else is left as it is.
/// </remarks>
internal static unsafe class WideLeft
{
    private const int BatchFloats = 32768;

    /// <summary>Memory for the copy; none where none is needed.</summary>
    public static HostBlock Rent(in MatMulProblem problem) =>
        Needed(in problem)
            ? HostMemory.Rent((long)problem.Rows * problem.Depth * sizeof(float)) : default;

    /// <summary>The problem with the copy for its left operand, where one is needed.</summary>
    public static MatMulProblem Fill(in MatMulProblem problem, float* copy)
    {
        if (!Needed(in problem)) return problem;
        int rowsPerBatch = Math.Max(1, BatchFloats / Math.Max(1, problem.Depth));
        Work work = new(problem.A, problem.Rows, problem.Depth, rowsPerBatch, copy);
        CpuParallel.For((problem.Rows + rowsPerBatch - 1) / rowsPerBatch, ref work);
        return problem with { A = new(copy, problem.Depth) };
    }

    private static bool Needed(in MatMulProblem problem) =>
        problem.A.IsNarrow && !problem.A.Transposed;

    private readonly struct Work(
        MatrixView a, int rows, int depth, int rowsPerBatch, float* copy) : IBatchWork
    {
        public void Run(int batch)
        {
            int end = Math.Min(rows, (batch + 1) * rowsPerBatch);
            for (int row = batch * rowsPerBatch; row < end; row++)
                FloatStorage.Widen(a.Type, a.At(row, 0), copy + (nint)row * depth, depth);
        }
    }
}
