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
/// Bytes: Sq·Skv numbers out, which bound it.
/// Numerics: binary32, rounded once where the scores have 16 bits; hidden scores are −∞ in the
/// masked stage, their weights 0 by selection; a row without visible keys has weights 0.
/// Preconditions: those of <see cref="FusedAttentionForwardSimd"/>; for weights the log-sum-exps
/// of every row.
/// Source: the definition; stages as the qk_matmul_output of Attention of ai.onnx, opset 23.
/// </remarks>
internal static unsafe class AttentionScoreWriter<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
{
    private const int Rows = AttentionMultiply.Rows;
    private const int KeyTile = AttentionTile.Keys;
    private const int QueryTile = 8 * Rows;

    /// <summary>Writes scores [B, Hq, Sq, Skv].</summary>
    public static void Run(
        in AttentionProblem problem, TScore score, BufferView scores, float* logSumExp,
        ScoreOutput output)
    {
        AttentionSizes s = problem.Sizes;
        int tiles = (s.QueryLength + QueryTile - 1) / QueryTile;
        Work work = new()
        {
            Problem = problem,
            Score = score,
            Scores = (byte*)scores.Address,
            Type = scores.DType,
            LogSumExp = logSumExp,
            Output = output,
            Tiles = tiles,
        };
        CpuParallel.For(checked((int)((long)s.Batch * s.QueryHeads * tiles)), ref work);
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public TScore Score;
        public byte* Scores;
        public DType Type;
        public float* LogSumExp;
        public ScoreOutput Output;
        public int Tiles;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            int head = batch / Tiles % s.QueryHeads, sequence = batch / Tiles / s.QueryHeads;
            int query = batch % Tiles * QueryTile;
            int tileRows = Math.Min(QueryTile, s.QueryLength - query);
            int rows = Math.Clamp(Problem.Sequences.Queries(sequence) - query, 0, tileRows);
            int width = AttentionPacking.Pad<T>(s.HeadDimension);
            using HostBlock block = HostMemory.Rent(ScratchCarver.Bytes(
                (long)QueryTile * width, (long)QueryTile * s.HeadDimension,
                (long)KeyTile * s.HeadDimension, Problem.TileScratch, (Rows + 1L) * KeyTile));
            ScratchCarver carver = new(block);
            float* queries = carver.Take((long)QueryTile * width);
            float* queryScratch = carver.Take((long)QueryTile * s.HeadDimension);
            float* keys = carver.Take((long)KeyTile * s.HeadDimension);
            float* keyScratch = carver.Take(Problem.TileScratch);
            float* tileScores = carver.Take((Rows + 1L) * KeyTile);
            new Span<float>(queries, QueryTile * width).Clear();
            if (rows > 0)
            {
                float* source = Problem.Query.ReadQueries(Problem.Sequences, sequence, head,
                    query, rows, queryScratch, out long stride);
                AttentionPacking.Rows<T>(
                    source, stride, rows, s.HeadDimension, Problem.Scale, queries);
            }

            int stored = rows == 0 ? 0 : Problem.Sequences.StoredKeys(sequence);
            for (int tile = 0; tile < stored; tile += KeyTile)
            {
                int count = Math.Min(KeyTile, stored - tile);
                float* key = Problem.Key.ReadKeys(Problem.Sequences, sequence,
                    head / Problem.Group, tile, count, keyScratch, out long keyStride);
                if (!Problem.HasFewRows)
                {
                    AttentionPacking.Transposed<T>(
                        key, keyStride, count, s.HeadDimension, keys, KeyTile);
                }

                for (int row = 0; row < rows; row += Rows)
                {
                    int blockRows = Math.Min(Rows, rows - row);
                    Product(queries + (row * width), width, blockRows, key, keyStride, keys,
                        count, tileScores);
                    for (int i = 0; i < blockRows; i++)
                    {
                        Write(tileScores + (i * KeyTile), tileScores + (Rows * KeyTile),
                            AttentionRow.Of(Problem, sequence, head, query + row + i, tile, count),
                            count);
                    }
                }
            }

            for (int row = 0; row < tileRows; row++)
            {
                int have = row < rows ? stored : 0;
                FillRest(Place(sequence, head, query + row, have), s.KeyLength - have, tileScores);
            }
        }

        /// <summary>The same product as the output pass takes, so that a weight is exp of exactly
        /// the score that went into the log-sum-exp.</summary>
        private readonly void Product(
            float* q, int width, int rows, float* key, long keyStride, float* packedKeys,
            int count, float* result)
        {
            int depth = Problem.Sizes.HeadDimension;
            if (Problem.HasFewRows)
            {
                StoredRows stored = new((nint)key, keyStride * sizeof(float),
                    depth * sizeof(float), DType.Float32);
                AttentionDots.Run<T>(q, rows, depth, stored, count, stored, result, KeyTile);
                return;
            }

            AttentionMultiply.Chained<T>(q, width, packedKeys, KeyTile, result, KeyTile, depth,
                AttentionPacking.Pad<T>(count) / T.Width);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Write(float* values, float* scratch, in AttentionRow row, int count)
        {
            int padded = AttentionPacking.Pad<T>(count);
            if (Output == ScoreOutput.Capped && Problem.SoftCap > 0)
            {
                AttentionRow.Cap<T>(values, 0, padded, Problem.SoftCap, null);
            }
            else if (Output is ScoreOutput.Masked or ScoreOutput.Probabilities)
            {
                row.Shape<T, TScore>(Problem, Score, values, 0, padded, scratch);
            }

            if (Output == ScoreOutput.Probabilities)
            {
                float sum = LogSumExp[
                    Problem.Sequences.RowIndex(row.Batch, row.Head, row.Query)];
                T shift = T.Broadcast(float.IsNegativeInfinity(sum) ? 0 : sum);
                T hidden = T.Broadcast(float.NegativeInfinity);
                for (int j = 0; j < padded; j += T.Width)
                {
                    T s = T.Load(values + j);
                    T weight = SimdMath.ExpNonPositive(s - shift);
                    T.Store(T.SelectEqual(s, hidden, T.Zero, weight), values + j);
                }
            }

            FloatStorage.Narrow(Type, values,
                Place(row.Batch, row.Head, row.Query, row.TileKey), count);
        }

        /// <summary>Pairs that the sequence has not.</summary>
        private readonly void FillRest(byte* target, int count, float* scratch)
        {
            new Span<float>(scratch, KeyTile).Fill(
                Output == ScoreOutput.Masked ? float.NegativeInfinity : 0);
            for (int done = 0; done < count; done += KeyTile)
            {
                FloatStorage.Narrow(Type, scratch, target + ((long)done * Type.Size()),
                    Math.Min(KeyTile, count - done));
            }
        }

        private readonly byte* Place(int batch, int head, int query, int key)
        {
            AttentionSizes s = Problem.Sizes;
            long row = ((((long)batch * s.QueryHeads) + head) * s.QueryLength) + query;
            return Scores + (((row * s.KeyLength) + key) * Type.Size());
        }
    }
}
