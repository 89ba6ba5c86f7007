using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>d(bias) += dS, summed over the axes along which the bias is broadcast.</summary>
/// <remarks>
/// Shapes: as <see cref="AttentionBackward"/>.
/// Work: a pass of its own, so that a broadcast bias needs neither atomics nor a copy for each
/// thread: a unit is (bias sequence, bias head, bias query tile, tile of 64 keys) and owns those
/// elements; it adds what every sequence, head and query that shares them contributes, in that
/// order.
/// Bytes: q, k, v and dO once a tile of scores; two products, 2·(D + Dv) operations a visible
/// score.
/// Numerics: summed in binary32 scratch, rounded once where the bias has 16 bits.
/// Preconditions: those of <see cref="FusedAttentionBackwardSimd"/>; δ of every row is there.
/// Source: the chain rule through a sum; dS as in Dao et al. 2022, appendix B.2.
/// </remarks>
internal static unsafe class AttentionBiasGradient<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
{
    private const int KeyTile = AttentionGradientTile<T, TScore>.KeyTile;
    private const int QueryTile = AttentionGradientTile<T, TScore>.QueryTile;

    /// <summary>Adds to the bias gradient.</summary>
    public static void Run(
        in AttentionProblem problem, TScore score, in AttentionGradients gradients,
        BufferView biasGradient)
    {
        AttentionSizes s = problem.Sizes;
        AttentionMaskLayout layout = problem.Bias.Layout;
        Work work = new()
        {
            Problem = problem,
            Score = score,
            Gradients = gradients,
            Bias = (byte*)biasGradient.Address,
            Type = biasGradient.DType,
            Sequences = layout.Batch == 0 ? 1 : s.Batch,
            Heads = layout.Head == 0 ? 1 : s.QueryHeads,
            QueryTiles = layout.Query == 0 ? 1 : (s.QueryLength + QueryTile - 1) / QueryTile,
            KeyTiles = (layout.KeyCount + KeyTile - 1) / KeyTile,
        };
        long units = (long)work.Sequences * work.Heads * work.QueryTiles * work.KeyTiles;
        CpuParallel.For(checked((int)units), ref work);
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public TScore Score;
        public AttentionGradients Gradients;
        public byte* Bias;
        public DType Type;
        public int Sequences;
        public int Heads;
        public int QueryTiles;
        public int KeyTiles;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            int key = batch % KeyTiles * KeyTile;
            int queryTile = batch / KeyTiles % QueryTiles;
            int biasHead = batch / KeyTiles / QueryTiles % Heads;
            int biasSequence = batch / KeyTiles / QueryTiles / Heads;
            int keys = Math.Min(KeyTile, Problem.Bias.Layout.KeyCount - key);
            using HostBlock block =
                HostMemory.Rent(AttentionGradientTile<T, TScore>.ScratchBytes(Problem) +
                    ScratchCarver.Bytes((QueryTile + 1) * KeyTile));
            ScratchCarver carver = new(block);
            float* sums = carver.Take((QueryTile + 1) * KeyTile);
            new Span<float>(sums, QueryTile * KeyTile).Clear();
            AttentionGradientTile<T, TScore> tile =
                new(Problem, Score, Gradients, ref carver, beforeSoftCap: false);
            int lastSequence = Sequences == 1 ? s.Batch - 1 : biasSequence;
            int lastHead = Heads == 1 ? s.QueryHeads - 1 : biasHead;
            int firstQuery = queryTile * QueryTile;
            int lastQuery = QueryTiles == 1 ? s.QueryLength : firstQuery + QueryTile;
            for (int sequence = biasSequence; sequence <= lastSequence; sequence++)
            {
                int loaded = -1;
                int queries = Math.Min(lastQuery, Problem.Sequences.Queries(sequence));
                int count = Math.Min(keys, Problem.Sequences.StoredKeys(sequence) - key);
                if (count <= 0) continue;
                for (int head = biasHead; head <= lastHead; head++)
                {
                    if (head / Problem.Group != loaded)
                    {
                        loaded = head / Problem.Group;
                        tile.LoadKeys(sequence, loaded, key, count);
                    }

                    for (int query = firstQuery; query < queries; query += QueryTile)
                    {
                        int rows = Math.Min(QueryTile, queries - query);
                        if (tile.LoadQueries(head, query, rows)) Add(ref tile, sums, rows, count);
                    }
                }
            }

            int biasRows = Problem.Bias.Layout.Query == 0
                ? 1 : Math.Min(QueryTile, s.QueryLength - firstQuery);
            for (int row = 0; row < biasRows; row++)
            {
                long at = Problem.Bias.Offset(biasSequence, biasHead, firstQuery + row) + key;
                AttentionPacking.AddTo<T>(sums + (row * KeyTile), Type,
                    Bias + (at * Type.Size()), keys, sums + (QueryTile * KeyTile));
            }
        }

        private readonly void Add(
            ref AttentionGradientTile<T, TScore> tile, float* sums, int rows, int keys)
        {
            int step = Problem.Bias.Layout.Query == 0 ? 0 : KeyTile;
            for (int row = 0; row < rows; row++)
            {
                AttentionPacking.Accumulate<T>(
                    tile.ScoreGradients + (row * AttentionGradientTile<T, TScore>.Stride),
                    sums + (row * step), keys);
            }
        }
    }
}
