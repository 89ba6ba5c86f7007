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
/// </remarks>
internal static unsafe class AttentionBiasGradient<T> where T : struct, ISimdFloat<T>
{
    private const int KeyTile = AttentionGradientTile<T>.KeyTile;
    private const int QueryTile = AttentionGradientTile<T>.QueryTile;

    /// <summary>Adds to the bias gradient.</summary>
    public static void Run(in AttentionProblem problem, in AttentionGradients gradients)
    {
        AttentionSizes s = problem.Sizes;
        AttentionMaskLayout layout = problem.BiasLayout;
        Work work = new()
        {
            Problem = problem,
            Gradients = gradients,
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
        public AttentionGradients Gradients;
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
            int keys = Math.Min(KeyTile, Problem.BiasLayout.KeyCount - key);
            using HostBlock block =
                HostMemory.Rent(AttentionGradientTile<T>.ScratchBytes(s));
            ScratchCarver carver = new(block.Address);
            AttentionGradientTile<T> tile =
                new(Problem, Gradients, ref carver, beforeSoftCap: false);
            int lastSequence = Sequences == 1 ? s.Batch - 1 : biasSequence;
            int lastHead = Heads == 1 ? s.QueryHeads - 1 : biasHead;
            int firstQuery = queryTile * QueryTile;
            int lastQuery = QueryTiles == 1 ? s.QueryLength : firstQuery + QueryTile;
            for (int sequence = biasSequence; sequence <= lastSequence; sequence++)
            {
                int loaded = -1;
                for (int head = biasHead; head <= lastHead; head++)
                {
                    if (head / Problem.Group != loaded)
                    {
                        loaded = head / Problem.Group;
                        tile.LoadKeys(sequence, loaded, key, keys);
                    }

                    for (int query = firstQuery;
                         query < Math.Min(lastQuery, s.QueryLength); query += QueryTile)
                    {
                        int rows = Math.Min(QueryTile, s.QueryLength - query);
                        if (tile.LoadQueries(head, query, rows))
                        {
                            Add(ref tile, sequence, head, query, rows, key, keys);
                        }
                    }
                }
            }
        }

        private readonly void Add(
            ref AttentionGradientTile<T> tile, int sequence, int head, int query, int rows,
            int key, int keys)
        {
            for (int row = 0; row < rows; row++)
            {
                float* from = tile.ScoreGradients + (row * AttentionGradientTile<T>.Stride);
                float* to = Gradients.Bias +
                    Problem.BiasOffset(sequence, head, query + row) + key;
                int j = 0;
                for (; j + T.Width <= keys; j += T.Width)
                {
                    T.Store(T.Load(to + j) + T.Load(from + j), to + j);
                }

                if (j < keys)
                {
                    int left = keys - j;
                    T.StorePartial(T.LoadPartial(to + j, left) + T.LoadPartial(from + j, left),
                        to + j, left);
                }
            }
        }
    }
}
