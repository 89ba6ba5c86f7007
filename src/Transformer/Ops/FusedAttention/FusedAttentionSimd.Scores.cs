using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Writes the Sq×Skv scores or weights that a caller asked for.</summary>
/// <remarks>
/// Shapes: scores [B, Hq, Sq, Skv].
/// Work: a unit is (sequence, query head, 48 queries); it runs over all keys in tiles of 64. Scores
/// are computed again rather than kept, so that attention without them needs no such buffer;
/// weights are exp(s − logSumExp), final when they are written.
/// Bytes: Sq·Skv floats out, which bound it.
/// </remarks>
internal static unsafe class AttentionScoreWriter<T> where T : struct, ISimdFloat<T>
{
    private const int Rows = AttentionMultiply.Rows;
    private const int KeyTile = AttentionForwardTiles<T>.KeyTile;
    private const int QueryTile = 8 * Rows;

    /// <summary>Writes scores [B, Hq, Sq, Skv].</summary>
    public static void Run(
        in AttentionProblem problem, float* scores, float* logSumExp, ScoreOutput output)
    {
        AttentionSizes s = problem.Sizes;
        int tiles = (s.QueryLength + QueryTile - 1) / QueryTile;
        Work work = new()
        {
            Problem = problem,
            Scores = scores,
            LogSumExp = logSumExp,
            Output = output,
            Tiles = tiles,
        };
        CpuParallel.For(checked((int)((long)s.Batch * s.QueryHeads * tiles)), ref work);
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public float* Scores;
        public float* LogSumExp;
        public ScoreOutput Output;
        public int Tiles;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            int head = batch / Tiles % s.QueryHeads, sequence = batch / Tiles / s.QueryHeads;
            int keyHead = head / Problem.Group;
            int query = batch % Tiles * QueryTile;
            int rows = Math.Min(QueryTile, s.QueryLength - query);
            int width = AttentionPacking.Pad<T>(s.HeadDimension);
            using HostBlock block = HostMemory.Rent(
                ScratchCarver.Bytes((long)QueryTile * width) +
                ScratchCarver.Bytes((long)KeyTile * s.HeadDimension) +
                ScratchCarver.Bytes((Rows + 1L) * KeyTile));
            ScratchCarver carver = new(block.Address);
            float* queries = carver.Take((long)QueryTile * width);
            float* keys = carver.Take((long)KeyTile * s.HeadDimension);
            float* tileScores = carver.Take((Rows + 1L) * KeyTile);
            new Span<float>(queries, QueryTile * width).Clear();
            AttentionPacking.Rows<T>(Problem.QueryRow(sequence, head, query),
                Problem.QueryStrides.Sequence, rows, s.HeadDimension, Problem.Scale, queries);
            for (int tile = 0; tile < s.KeyLength; tile += KeyTile)
            {
                int count = Math.Min(KeyTile, s.KeyLength - tile);
                float* key = Problem.KeyRow(sequence, keyHead, tile);
                if (!Problem.HasFewRows)
                {
                    AttentionPacking.Transposed<T>(key, Problem.KeyStrides.Sequence, count,
                        s.HeadDimension, keys, KeyTile);
                }

                for (int row = 0; row < rows; row += Rows)
                {
                    int blockRows = Math.Min(Rows, rows - row);
                    Product(queries + (row * width), width, blockRows, key, keys, count, tileScores);
                    for (int i = 0; i < blockRows; i++)
                    {
                        Write(tileScores + (i * KeyTile), tileScores + (Rows * KeyTile),
                            AttentionRow.Of(Problem, sequence, head, query + row + i, tile, count),
                            count);
                    }
                }
            }
        }

        /// <summary>The same product as the output pass takes, so that a weight is exp of exactly
        /// the score that went into the log-sum-exp.</summary>
        private readonly void Product(
            float* q, int width, int rows, float* key, float* packedKeys, int count, float* result)
        {
            int depth = Problem.Sizes.HeadDimension;
            if (Problem.HasFewRows)
            {
                AttentionDots.Run<T>(
                    q, rows, depth, key, Problem.KeyStrides.Sequence, 0, count, result, KeyTile);
                return;
            }

            AttentionMultiply.Run<T>(q, width, 1, packedKeys, KeyTile, result, KeyTile, depth,
                AttentionPacking.Pad<T>(count) / T.Width, null);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Write(float* values, float* mask, in AttentionRow row, int count)
        {
            int padded = AttentionPacking.Pad<T>(count);
            long index = Problem.RowIndex(row.Batch, row.Head, row.Query);
            float* target = Scores + (index * Problem.Sizes.KeyLength) + row.TileKey;
            if (Output == ScoreOutput.Capped && Problem.SoftCap > 0)
            {
                for (int j = 0; j < padded; j += T.Width)
                {
                    T capped = AttentionRow.Cap(T.Load(values + j), Problem.SoftCap, null);
                    T.Store(capped, values + j);
                }
            }
            else if (Output is ScoreOutput.Masked or ScoreOutput.Probabilities)
            {
                row.Shape<T>(Problem, values, 0, padded, mask, null);
            }

            if (Output == ScoreOutput.Probabilities)
            {
                float sum = LogSumExp[index];
                T shift = T.Broadcast(float.IsNegativeInfinity(sum) ? 0 : sum);
                for (int j = 0; j < padded; j += T.Width)
                {
                    T.Store(SimdMath.ExpNonPositive(T.Load(values + j) - shift), values + j);
                }
            }

            new Span<float>(values, count).CopyTo(new(target, count));
        }
    }
}
