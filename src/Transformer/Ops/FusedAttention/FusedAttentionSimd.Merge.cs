using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// Joins partial results of key ranges: with M = max mᵢ, o = Σ exp(mᵢ − M)·oᵢ / Σ exp(mᵢ − M)·lᵢ.
/// </summary>
/// <remarks>
/// Shapes: partials [rows, splits, Stride], each oᵢ (not normalised), then mᵢ and lᵢ.
/// Work: a batch is up to 16 rows; a row is summed in the order of its splits.
/// Bytes: every partial once.
/// Numerics: a range without visible keys has lᵢ = 0 and is skipped.
/// Preconditions: every partial is written.
/// Source: the associativity of the online softmax, Milakov, Gimelshein 2018.
/// </remarks>
internal static unsafe class AttentionSplits<T> where T : struct, ISimdFloat<T>
{
    private const int RowsPerBatch = 16;

    // Maximum and sum, and what keeps the next partial on its own cache lines.
    private const int Extra = 16;

    /// <summary>Floats of one partial result.</summary>
    public static int Stride(int valueDimension) =>
        AttentionPacking.Pad<T>(valueDimension) + Extra;

    /// <summary>Writes a partial result.</summary>
    public static void Put(
        float* partials, long index, float* output, int valueWidth, float maximum, float sum)
    {
        float* target = partials + (index * (valueWidth + Extra));
        new Span<float>(output, valueWidth).CopyTo(new(target, valueWidth));
        target[valueWidth] = maximum;
        target[valueWidth + 1] = sum;
    }

    /// <summary>Joins the partial results of every row; logSumExp may be null.</summary>
    public static void Run(
        in AttentionProblem problem, float* partials, int splits, AttentionOperand output,
        float* logSumExp)
    {
        AttentionSizes s = problem.Sizes;
        long rows = (long)s.Batch * s.QueryHeads * s.QueryLength;
        Work work = new()
        {
            Problem = problem,
            Partials = partials,
            Splits = splits,
            Rows = rows,
            Output = output,
            LogSumExp = logSumExp,
        };
        CpuParallel.For(checked((int)((rows + RowsPerBatch - 1) / RowsPerBatch)), ref work);
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public float* Partials;
        public int Splits;
        public long Rows;
        public AttentionOperand Output;
        public float* LogSumExp;

        public readonly void Run(int batch)
        {
            long end = Math.Min(Rows, (batch + 1L) * RowsPerBatch);
            for (long row = (long)batch * RowsPerBatch; row < end; row++) Join(row);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Join(long row)
        {
            AttentionSizes s = Problem.Sizes;
            int query = (int)(row % s.QueryLength);
            int head = (int)(row / s.QueryLength % s.QueryHeads);
            int sequence = (int)(row / s.QueryLength / s.QueryHeads);
            if (query >= Problem.Sequences.Queries(sequence)) return;
            long index = Problem.Sequences.RowIndex(sequence, head, query);
            int width = AttentionPacking.Pad<T>(s.ValueDimension);
            int stride = Stride(s.ValueDimension);
            float* parts = Partials + (row * Splits * stride);
            float maximum = float.NegativeInfinity;
            for (int i = 0; i < Splits; i++)
            {
                float m = parts[(i * stride) + width];
                if (m > maximum) maximum = m;
            }

            // The first partial becomes the accumulator: nobody reads it again.
            float sum = 0;
            for (int i = 0; i < Splits; i++)
            {
                float* part = parts + (i * stride);
                float factor = part[width + 1] == 0 ? 0 : MathF.Exp(part[width] - maximum);
                sum += factor == 0 ? 0 : factor * part[width + 1];
                for (int v = 0; v < width; v += T.Width)
                {
                    T scaled = factor == 0 ? T.Zero : T.Load(part + v) * T.Broadcast(factor);
                    T.Store(i == 0 ? scaled : T.Load(parts + v) + scaled, parts + v);
                }
            }

            float normal = AttentionSoftmax.Normalise(
                maximum, sum, Problem.Terms.Sink(head),
                LogSumExp == null ? null : LogSumExp + index);
            Output.WriteQueries<T>(
                Problem.Sequences, sequence, head, query, 1, parts, normal);
        }
    }
}
