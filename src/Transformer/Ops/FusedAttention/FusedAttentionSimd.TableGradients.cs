using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>d(relative table)[bucket, h] += Σ dS over the pairs whose distance is in the bucket.
/// </summary>
/// <remarks>
/// Shapes: table [buckets, Hq].
/// Work: a pass of its own, as for the bias: a unit is (sequence, query head). Scores of one row
/// lie at consecutive distances, so rows are added as vectors to a table of all distances
/// (<see cref="AttentionTerms"/>), whose entries are put into their buckets at the end, sequences
/// in order.
/// Bytes: q, k, v and dO once a tile of scores; two products, 2·(D + Dv) operations a visible
/// score.
/// Numerics: binary32 a unit, binary64 over the units.
/// Preconditions: those of <see cref="FusedAttentionBackwardSimd"/>; δ of every row is there.
/// Source: the chain rule through a table that is added to the scores.
/// </remarks>
internal static unsafe class AttentionRelativeGradient<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
{
    private const int KeyTile = AttentionGradientTile<T, TScore>.KeyTile;
    private const int QueryTile = AttentionGradientTile<T, TScore>.QueryTile;

    /// <summary>Adds to the gradient of the table.</summary>
    public static void Run(
        in AttentionProblem problem, TScore score, in AttentionGradients gradients,
        BufferView table, RelativePositionBuckets buckets)
    {
        AttentionSizes s = problem.Sizes;
        int stride = problem.Terms.Stride;
        long units = (long)s.Batch * s.QueryHeads;
        using HostBlock sums = HostMemory.Rent(units * stride * sizeof(float));
        Work work = new()
        {
            Problem = problem,
            Score = score,
            Gradients = gradients,
            Sums = sums.Pointer<float>(),
        };
        CpuParallel.For(checked((int)units), ref work);
        using HostBlock totals = HostMemory.Rent((long)buckets.Count * sizeof(double));
        Span<double> total = new(totals.Pointer<double>(), buckets.Count);
        for (int head = 0; head < s.QueryHeads; head++)
        {
            total.Clear();
            for (int b = 0; b < s.Batch; b++)
            {
                float* unit = work.Sums + ((((long)b * s.QueryHeads) + head) * stride);
                for (int at = 0; at < stride; at++)
                {
                    total[buckets.Bucket(at - problem.Terms.Reach)] += unit[at];
                }
            }

            for (int bucket = 0; bucket < buckets.Count; bucket++)
            {
                long at = ((long)bucket * s.QueryHeads) + head;
                ReferenceBuffers.Set(table, at, ReferenceBuffers.Get(table, at) + total[bucket]);
            }
        }
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public TScore Score;
        public AttentionGradients Gradients;
        public float* Sums;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            (int sequence, int head) = Math.DivRem(batch, s.QueryHeads);
            float* sums = Sums + ((long)batch * Problem.Terms.Stride);
            new Span<float>(sums, Problem.Terms.Stride).Clear();
            using HostBlock block =
                HostMemory.Rent(AttentionGradientTile<T, TScore>.ScratchBytes(Problem));
            ScratchCarver carver = new(block);
            AttentionGradientTile<T, TScore> tile =
                new(Problem, Score, Gradients, ref carver, beforeSoftCap: false);
            int stored = Problem.Sequences.StoredKeys(sequence);
            int queries = Problem.Sequences.Queries(sequence);
            for (int key = 0; key < stored; key += KeyTile)
            {
                int keys = Math.Min(KeyTile, stored - key);
                tile.LoadKeys(sequence, head / Problem.Group, key, keys);
                for (int query = 0; query < queries; query += QueryTile)
                {
                    int rows = Math.Min(QueryTile, queries - query);
                    if (!tile.LoadQueries(head, query, rows)) continue;
                    for (int row = 0; row < rows; row++)
                    {
                        long distance =
                            key - Problem.Sequences.Position(sequence, query + row);
                        AttentionPacking.Accumulate<T>(
                            tile.ScoreGradients +
                                (row * AttentionGradientTile<T, TScore>.Stride),
                            sums + Problem.Terms.Start(distance), keys);
                    }
                }
            }
        }
    }
}

/// <summary>d(sink)[h] −= Σ exp(sink − L)·δ over sequences and queries: the sink's weight takes no
/// value, so its dP is 0.</summary>
/// <remarks>
/// Shapes: sinks [Hq]; L and δ [B, Hq, Sq].
/// Work: one thread, over B·Hq·Sq rows in order: an exponential a row, beside the
/// 2·(3·D + 2·Dv)·Skv operations that the other gradients take for it.
/// Bytes: L and δ once.
/// Numerics: exponentials in binary32, their sum in binary64; a row with L = −∞ adds nothing.
/// Preconditions: those of <see cref="FusedAttentionBackwardSimd"/>; δ of every row is there.
/// Source: the chain rule through the softmax with one more score.
/// </remarks>
internal static unsafe class AttentionSinkGradient
{
    /// <summary>Adds to the gradient of the sinks, each summed in binary64 in order.</summary>
    public static void Run(
        in AttentionProblem problem, in AttentionGradients gradients, BufferView sinks)
    {
        for (int head = 0; head < problem.Sizes.QueryHeads; head++)
        {
            double sum = 0;
            float sink = problem.Terms.Sink(head);
            for (int b = 0; b < problem.Sizes.Batch; b++)
            {
                for (int i = 0; i < problem.Sequences.Queries(b); i++)
                {
                    long row = problem.Sequences.RowIndex(b, head, i);
                    float logSumExp = gradients.LogSumExp[row];
                    if (float.IsNegativeInfinity(logSumExp)) continue;
                    sum += MathF.Exp(sink - logSumExp) * gradients.Deltas[row];
                }
            }

            ReferenceBuffers.Set(sinks, head, ReferenceBuffers.Get(sinks, head) - sum);
        }
    }
}
