using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>dV = Pᵀ·dO, dK = scale·dSᵀ·q, dQ = scale·dS·k, tile by tile.</summary>
/// <remarks>
/// Shapes: as <see cref="AttentionBackward"/>.
/// Work: a unit is (sequence, key/value head, range of keys). It owns dK and dV of its
/// keys, sums them over all queries of the group in order, and adds its share of dQ to a buffer
/// [ranges, B, Hq, Sq, D]; where one range covers all keys that buffer is scratch of the batch,
/// else shares are added in order of range afterwards. The number of ranges follows from the sizes.
/// Memory of a unit: one <see cref="AttentionGradientTile{T, TScore}"/>, dK and dV of a tile, dQ.
/// Bytes: k and v once, q, dO and dQ once a tile of keys; five products, 2·(3·D + 2·Dv) operations
/// a visible score: bound by arithmetic.
/// Numerics: binary32, sums over queries and ranges in a fixed order, results rounded once.
/// Preconditions: those of <see cref="FusedAttentionBackwardSimd"/>.
/// Source: Dao et al. 2022, algorithm 4.
/// </remarks>
internal static unsafe class AttentionGradientTiles<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
{
    private const int Rows = AttentionMultiply.Rows;
    private const int KeyTile = AttentionGradientTile<T, TScore>.KeyTile;
    private const int QueryTile = AttentionGradientTile<T, TScore>.QueryTile;
    private const int TargetUnits = 24;
    private const int MaximumRanges = 8;
    private const int RowsPerBatch = 64;
    private const long WorkPerBatch = 1 << 17;

    // Keys are written in blocks of six; the last block may reach past the tile.
    private const int KeyRows = (KeyTile + Rows - 1) / Rows * Rows;

    /// <summary>Computes δ, then dQ, dK and dV.</summary>
    public static void Run(
        in AttentionProblem problem, TScore score, in AttentionGradients gradients)
    {
        AttentionSizes s = problem.Sizes;
        long rows = (long)s.Batch * s.QueryHeads * s.QueryLength;
        RowWork rowWork = new() { Problem = problem, Gradients = gradients, Rows = rows };
        int rowBatches = checked((int)((rows + RowsPerBatch - 1) / RowsPerBatch));
        CpuParallel.For(rowBatches, ref rowWork);

        long pairs = (long)s.Batch * s.KeyValueHeads;
        int tiles = (s.KeyLength + KeyTile - 1) / KeyTile;
        int ranges = (int)Math.Clamp(
            (TargetUnits + pairs - 1) / pairs, 1, Math.Clamp(tiles / 2, 1, MaximumRanges));
        int tilesPerRange = Math.Max(1, (tiles + ranges - 1) / ranges);
        ranges = Math.Max(1, (tiles + tilesPerRange - 1) / tilesPerRange);
        int paddedQueries = (s.QueryLength + Rows - 1) / Rows * Rows;
        long shareFloats = (long)problem.Group * paddedQueries *
            AttentionPacking.Pad<T>(s.HeadDimension);
        using HostBlock shares = ranges == 1
            ? default : HostMemory.Rent(pairs * ranges * shareFloats * sizeof(float));
        long units = pairs * ranges;
        long work = Math.Max(1, (long)problem.Group * s.QueryLength * s.KeyLength / ranges *
            ((3L * s.HeadDimension) + (2L * s.ValueDimension)));
        int perBatch = (int)Math.Clamp(WorkPerBatch / work, 1, units);
        Work tileWork = new()
        {
            Problem = problem,
            Score = score,
            Gradients = gradients,
            Shares = shares.Pointer<float>(),
            ShareFloats = shareFloats,
            Ranges = ranges,
            TilesPerRange = tilesPerRange,
            Units = units,
            UnitsPerBatch = perBatch,
        };
        CpuParallel.For(checked((int)((units + perBatch - 1) / perBatch)), ref tileWork);
        if (ranges == 1) return;
        rowWork.Shares = shares.Pointer<float>();
        rowWork.ShareFloats = shareFloats;
        rowWork.Ranges = ranges;
        CpuParallel.For(rowBatches, ref rowWork);
    }

    /// <summary>Per row: δ first; with shares, their sum.</summary>
    private struct RowWork : IBatchWork
    {
        public AttentionProblem Problem;
        public AttentionGradients Gradients;
        public long Rows;
        public float* Shares;
        public long ShareFloats;
        public int Ranges;

        public readonly void Run(int batch)
        {
            long first = (long)batch * RowsPerBatch;
            long end = Math.Min(Rows, first + RowsPerBatch);
            if (Shares == null)
            {
                using HostBlock scratch =
                    HostMemory.Rent(8L * Problem.Sizes.ValueDimension * sizeof(float));
                for (long row = first; row < end; row += 4)
                {
                    Delta(row, end - 1, scratch.Pointer<float>());
                }

                return;
            }

            for (long row = first; row < end; row++) AddShares(row);
        }

        /// <summary>
        /// δ of four rows at once, each in chains over Dv in the order in which the register tiles
        /// sum dO·vᵀ: a query that sees one key then has dS = 0 exactly.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Delta(long row, long last, float* scratch)
        {
            float** o = stackalloc float*[4];
            float** g = stackalloc float*[4];
            long* index = stackalloc long[4];
            int valid = 0, width = Problem.Sizes.ValueDimension;
            for (long r = row; r <= Math.Min(last, row + 3); r++)
            {
                Locate(r, out int sequence, out int head, out int query);
                if (query >= Problem.Sequences.Queries(sequence)) continue;
                index[valid] = Problem.Sequences.RowIndex(sequence, head, query);
                o[valid] = Gradients.Output.ReadQueries(Problem.Sequences, sequence, head, query,
                    1, scratch + (2 * valid * (long)width), out _);
                g[valid] = Gradients.OutputGradient.ReadQueries(Problem.Sequences, sequence, head,
                    query, 1, scratch + (((2 * valid) + 1) * (long)width), out _);
                valid++;
            }

            if (valid == 0) return;
            for (int i = valid; i < 4; i++)
            {
                o[i] = o[0];
                g[i] = g[0];
            }

            float* o0 = o[0], o1 = o[1], o2 = o[2], o3 = o[3];
            float* g0 = g[0], g1 = g[1], g2 = g[2], g3 = g[3];
            Simd128 s0 = Simd128.Zero, s1 = s0, s2 = s0, s3 = s0;
            for (int first = 0; first < width; first += AttentionMultiply.Chain)
            {
                int end = Math.Min(width, first + AttentionMultiply.Chain);
                Simd128 c0 = Simd128.Zero, c1 = c0, c2 = c0, c3 = c0;
                for (int v = first; v < end; v++)
                {
                    c0 = Chain(g0[v], o0[v], c0);
                    c1 = Chain(g1[v], o1[v], c1);
                    c2 = Chain(g2[v], o2[v], c2);
                    c3 = Chain(g3[v], o3[v], c3);
                }

                s0 += c0;
                s1 += c1;
                s2 += c2;
                s3 += c3;
            }

            float* deltas = Gradients.Deltas;
            deltas[index[0]] = s0.Vector.ToScalar();
            if (valid > 1) deltas[index[1]] = s1.Vector.ToScalar();
            if (valid > 2) deltas[index[2]] = s2.Vector.ToScalar();
            if (valid > 3) deltas[index[3]] = s3.Vector.ToScalar();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Simd128 Chain(float a, float b, Simd128 sum) =>
            Simd128.MultiplyAdd(Simd128.Broadcast(a), Simd128.Broadcast(b), sum);

        private readonly void Locate(long row, out int sequence, out int head, out int query)
        {
            AttentionSizes s = Problem.Sizes;
            query = (int)(row % s.QueryLength);
            head = (int)(row / s.QueryLength % s.QueryHeads);
            sequence = (int)(row / s.QueryLength / s.QueryHeads);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void AddShares(long row)
        {
            AttentionSizes s = Problem.Sizes;
            Locate(row, out int sequence, out int head, out int query);
            if (query >= Problem.Sequences.Queries(sequence)) return;
            int width = AttentionPacking.Pad<T>(s.HeadDimension);
            int padded = (s.QueryLength + AttentionMultiply.Rows - 1) /
                AttentionMultiply.Rows * AttentionMultiply.Rows;
            long pair = ((long)sequence * s.KeyValueHeads) + (head / Problem.Group);
            float* first = Shares + (pair * Ranges * ShareFloats) +
                (((head % Problem.Group * (long)padded) + query) * width);
            for (int range = 1; range < Ranges; range++)
            {
                float* other = first + (range * ShareFloats);
                for (int v = 0; v < width; v += T.Width)
                {
                    T.Store(T.Load(first + v) + T.Load(other + v), first + v);
                }
            }

            Gradients.Query.WriteQueries<T>(
                Problem.Sequences, sequence, head, query, 1, first, Problem.Scale);
        }
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public TScore Score;
        public AttentionGradients Gradients;
        public float* Shares;
        public long ShareFloats;
        public int Ranges;
        public int TilesPerRange;
        public long Units;
        public int UnitsPerBatch;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            int width = AttentionPacking.Pad<T>(s.HeadDimension);
            int valueWidth = AttentionPacking.Pad<T>(s.ValueDimension);
            long shareFloats = Ranges == 1 ? ShareFloats : 0;
            using HostBlock block = HostMemory.Rent(
                AttentionGradientTile<T, TScore>.ScratchBytes(Problem) + ScratchCarver.Bytes(
                    (long)KeyRows * width, (long)KeyRows * valueWidth, shareFloats));
            ScratchCarver carver = new(block);
            AttentionGradientTile<T, TScore> tile = new(Problem, Score, Gradients, ref carver);
            float* keys = carver.Take((long)KeyRows * width);
            float* values = carver.Take((long)KeyRows * valueWidth);
            float* ownShare = carver.Take(shareFloats);
            long first = (long)batch * UnitsPerBatch;
            long end = Math.Min(Units, first + UnitsPerBatch);
            for (long unit = first; unit < end; unit++)
            {
                float* share = Ranges == 1 ? ownShare : Shares + (unit * ShareFloats);
                RunUnit(ref tile, unit, keys, values, share);
            }
        }

        private readonly void RunUnit(
            ref AttentionGradientTile<T, TScore> tile, long unit, float* keys, float* values,
            float* share)
        {
            AttentionSizes s = Problem.Sizes;
            long pair = unit / Ranges;
            int sequence = (int)(pair / s.KeyValueHeads), keyHead = (int)(pair % s.KeyValueHeads);
            for (long i = 0; i < ShareFloats; i += 1 << 20)
            {
                new Span<float>(share + i, (int)Math.Min(1 << 20, ShareFloats - i)).Clear();
            }

            int firstKey = (int)(unit % Ranges) * TilesPerRange * KeyTile;
            int end = (int)Math.Min(Problem.Sequences.StoredKeys(sequence),
                firstKey + ((long)TilesPerRange * KeyTile));
            for (int key = firstKey; key < end; key += KeyTile)
            {
                int count = Math.Min(KeyTile, end - key);
                tile.LoadKeys(sequence, keyHead, key, count);
                int keyRows = (count + AttentionMultiply.Rows - 1) /
                    AttentionMultiply.Rows * AttentionMultiply.Rows;
                new Span<float>(keys, keyRows * tile.Width).Clear();
                new Span<float>(values, keyRows * tile.ValueWidth).Clear();
                AddQueries(ref tile, sequence, keyHead, keyRows, keys, values, share);
                Gradients.Key.WriteKeys<T>(
                    Problem.Sequences, sequence, keyHead, key, count, keys);
                Gradients.Value.WriteKeys<T>(
                    Problem.Sequences, sequence, keyHead, key, count, values);
            }

            if (Ranges == 1) WriteQueries(sequence, keyHead, share, tile.Width);
        }

        private readonly void AddQueries(
            ref AttentionGradientTile<T, TScore> tile, int sequence, int keyHead, int keyRows,
            float* keys, float* values, float* share)
        {
            int queries = Problem.Sequences.Queries(sequence);
            if (queries == 0) return; // however many heads
            int padded = (Problem.Sizes.QueryLength + AttentionMultiply.Rows - 1) /
                AttentionMultiply.Rows * AttentionMultiply.Rows;
            for (int member = 0; member < Problem.Group; member++)
            {
                int head = (keyHead * Problem.Group) + member;
                float* headShare = share + ((long)member * padded * tile.Width);
                for (int query = 0; query < queries; query += QueryTile)
                {
                    if (!tile.LoadQueries(head, query, Math.Min(QueryTile, queries - query)))
                    {
                        continue;
                    }

                    AddToQueries(ref tile, headShare + ((long)query * tile.Width));
                    AddToKeys(ref tile, keyRows, keys, values);
                }
            }
        }

        /// <summary>dQ += dS·k.</summary>
        private readonly void AddToQueries(ref AttentionGradientTile<T, TScore> tile, float* target)
        {
            const int stride = AttentionGradientTile<T, TScore>.Stride;
            for (int block = 0; block < tile.Blocks; block++)
            {
                int first = tile.Spans[block * 2], end = tile.Spans[(block * 2) + 1];
                if (first >= end) continue;
                float* ds = tile.ScoreGradients + (block * Rows * stride) + first;
                float* k = tile.Keys + (first * tile.Width);
                float* dq = target + (block * Rows * tile.Width);
                int vectors = tile.Width / T.Width;
                if (tile.KeysFinite)
                {
                    AttentionMultiply.Run<T>(ds, stride, 1, k, tile.Width, dq, tile.Width,
                        end - first, vectors, AttentionMultiply.Ones);
                }
                else
                {
                    AttentionVisible.Add<T>(ds, stride, 1, k, tile.Width, dq, tile.Width,
                        end - first, vectors, AttentionMultiply.Ones);
                }
            }
        }

        /// <summary>dV += Pᵀ·dO, dK += dSᵀ·q, six keys at a time over the blocks that see them.
        /// </summary>
        private readonly void AddToKeys(
            ref AttentionGradientTile<T, TScore> tile, int keyRows, float* keys, float* values)
        {
            const int stride = AttentionGradientTile<T, TScore>.Stride;
            for (int key = 0; key < keyRows; key += Rows)
            {
                int first = 0, end = tile.Blocks;
                while (first < end && Misses(tile.Spans + (first * 2), key)) first++;
                while (first < end && Misses(tile.Spans + ((end - 1) * 2), key)) end--;
                if (first == end) continue;
                int row = first * Rows, steps = (end - first) * Rows;
                Accumulate(tile.Weights + (row * stride) + key, stride,
                    tile.OutputGradients + (row * tile.ValueWidth), tile.ValueWidth,
                    values + (key * tile.ValueWidth), steps, tile.OutputGradientsFinite);
                Accumulate(tile.ScoreGradients + (row * stride) + key, stride,
                    tile.Queries + (row * tile.Width), tile.Width,
                    keys + (key * tile.Width), steps, tile.QueriesFinite);
            }
        }

        /// <summary>c += aᵀ·b for six keys; where b is not finite, rows of weight 0 are skipped.
        /// </summary>
        private static void Accumulate(
            float* a, int stride, float* b, int width, float* c, int steps, bool finite)
        {
            if (finite)
            {
                AttentionMultiply.Run<T>(a, 1, stride, b, width, c, width, steps,
                    width / T.Width, AttentionMultiply.Ones);
            }
            else
            {
                AttentionVisible.Add<T>(a, 1, stride, b, width, c, width, steps,
                    width / T.Width, AttentionMultiply.Ones);
            }
        }

        private static bool Misses(int* span, int key) =>
            span[0] >= key + Rows || span[1] <= key;

        private readonly void WriteQueries(int sequence, int keyHead, float* share, int width)
        {
            int queries = Problem.Sequences.Queries(sequence);
            if (queries == 0) return;
            int padded = (Problem.Sizes.QueryLength + AttentionMultiply.Rows - 1) /
                AttentionMultiply.Rows * AttentionMultiply.Rows;
            for (int member = 0; member < Problem.Group; member++)
            {
                int head = (keyHead * Problem.Group) + member;
                Gradients.Query.WriteQueries<T>(Problem.Sequences, sequence, head, 0, queries,
                    share + ((long)member * padded * width), Problem.Scale);
            }
        }
    }
}
