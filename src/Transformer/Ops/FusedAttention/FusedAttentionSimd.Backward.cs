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
/// Memory of a unit: one <see cref="AttentionGradientTile{T}"/>, dK and dV of a tile, dQ.
/// Bytes: k and v once, q, dO and dQ once a tile of keys; five products, 2·(3·D + 2·Dv) operations
/// a visible score: bound by arithmetic.
/// Source: Dao et al. 2022, algorithm 4.
/// </remarks>
internal static unsafe class AttentionGradientTiles<T> where T : struct, ISimdFloat<T>
{
    private const int Rows = AttentionMultiply.Rows;
    private const int KeyTile = AttentionGradientTile<T>.KeyTile;
    private const int QueryTile = AttentionGradientTile<T>.QueryTile;
    private const int TargetUnits = 24;
    private const int MaximumRanges = 8;
    private const int RowsPerBatch = 64;
    private const long WorkPerBatch = 1 << 17;

    // Keys are written in blocks of six; the last block may reach past the tile.
    private const int KeyRows = (KeyTile + Rows - 1) / Rows * Rows;

    /// <summary>Computes δ, then dQ, dK and dV.</summary>
    public static void Run(in AttentionProblem problem, in AttentionGradients gradients)
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
                for (long row = first; row < end; row += 4) Delta(row, end - 1);
                return;
            }

            for (long row = first; row < end; row++) AddShares(row);
        }

        /// <summary>
        /// δ of four rows at once, each a chain over Dv in the order in which the register tiles
        /// sum dO·vᵀ: a query that sees one key then has dS = 0 exactly.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Delta(long row, long last)
        {
            long o0 = Offset(row), o1 = Offset(Math.Min(row + 1, last));
            long o2 = Offset(Math.Min(row + 2, last)), o3 = Offset(Math.Min(row + 3, last));
            float* output = Gradients.Output, gradient = Gradients.OutputGradient;
            Simd128 s0 = Simd128.Zero, s1 = s0, s2 = s0, s3 = s0;
            for (int v = 0; v < Problem.Sizes.ValueDimension; v++)
            {
                s0 = Chain(gradient[o0 + v], output[o0 + v], s0);
                s1 = Chain(gradient[o1 + v], output[o1 + v], s1);
                s2 = Chain(gradient[o2 + v], output[o2 + v], s2);
                s3 = Chain(gradient[o3 + v], output[o3 + v], s3);
            }

            float* deltas = Gradients.Deltas;
            deltas[row] = s0.Vector.ToScalar();
            if (row + 1 <= last) deltas[row + 1] = s1.Vector.ToScalar();
            if (row + 2 <= last) deltas[row + 2] = s2.Vector.ToScalar();
            if (row + 3 <= last) deltas[row + 3] = s3.Vector.ToScalar();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Simd128 Chain(float a, float b, Simd128 sum) =>
            Simd128.MultiplyAdd(Simd128.Broadcast(a), Simd128.Broadcast(b), sum);

        private readonly long Offset(long row)
        {
            AttentionSizes s = Problem.Sizes;
            long head = row / s.QueryLength;
            return Problem.OutputOffset((int)(head / s.QueryHeads), (int)(head % s.QueryHeads),
                (int)(row % s.QueryLength));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void AddShares(long row)
        {
            AttentionSizes s = Problem.Sizes;
            int query = (int)(row % s.QueryLength);
            int head = (int)(row / s.QueryLength % s.QueryHeads);
            int sequence = (int)(row / s.QueryLength / s.QueryHeads);
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

            AttentionPacking.Unpack<T>(first, 1, s.HeadDimension, Problem.Scale,
                Gradients.Query + (sequence * Problem.QueryStrides.Batch) +
                (head * Problem.QueryStrides.Head) + (query * Problem.QueryStrides.Sequence), 0);
        }
    }

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
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
            using HostBlock block = HostMemory.Rent(
                AttentionGradientTile<T>.ScratchBytes(s) +
                ScratchCarver.Bytes((long)KeyRows * (width + valueWidth)) + 64 +
                ScratchCarver.Bytes(Ranges == 1 ? ShareFloats : 0));
            ScratchCarver carver = new(block.Address);
            AttentionGradientTile<T> tile = new(Problem, Gradients, ref carver);
            float* keys = carver.Take((long)KeyRows * width);
            float* values = carver.Take((long)KeyRows * valueWidth);
            float* ownShare = carver.Take(Ranges == 1 ? ShareFloats : 0);
            long first = (long)batch * UnitsPerBatch;
            long end = Math.Min(Units, first + UnitsPerBatch);
            for (long unit = first; unit < end; unit++)
            {
                float* share = Ranges == 1 ? ownShare : Shares + (unit * ShareFloats);
                RunUnit(ref tile, unit, keys, values, share);
            }
        }

        private readonly void RunUnit(
            ref AttentionGradientTile<T> tile, long unit, float* keys, float* values,
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
            int end = (int)Math.Min(s.KeyLength, firstKey + ((long)TilesPerRange * KeyTile));
            for (int key = firstKey; key < end; key += KeyTile)
            {
                int count = Math.Min(KeyTile, end - key);
                tile.LoadKeys(sequence, keyHead, key, count);
                int keyRows = (count + AttentionMultiply.Rows - 1) /
                    AttentionMultiply.Rows * AttentionMultiply.Rows;
                new Span<float>(keys, keyRows * tile.Width).Clear();
                new Span<float>(values, keyRows * tile.ValueWidth).Clear();
                AddQueries(ref tile, keyHead, keyRows, keys, values, share);
                AttentionPacking.Unpack<T>(keys, count, s.HeadDimension, 1,
                    Gradients.Key + (Problem.KeyRow(sequence, keyHead, key) - Problem.Key),
                    Problem.KeyStrides.Sequence);
                AttentionPacking.Unpack<T>(values, count, s.ValueDimension, 1,
                    Gradients.Value + (Problem.ValueRow(sequence, keyHead, key) - Problem.Value),
                    Problem.ValueStrides.Sequence);
            }

            if (Ranges == 1) WriteQueries(sequence, keyHead, share, tile.Width);
        }

        private readonly void AddQueries(
            ref AttentionGradientTile<T> tile, int keyHead, int keyRows, float* keys,
            float* values, float* share)
        {
            int queries = Problem.Sizes.QueryLength;
            int padded = (queries + AttentionMultiply.Rows - 1) /
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
        private readonly void AddToQueries(ref AttentionGradientTile<T> tile, float* target)
        {
            const int stride = AttentionGradientTile<T>.Stride;
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
            ref AttentionGradientTile<T> tile, int keyRows, float* keys, float* values)
        {
            const int stride = AttentionGradientTile<T>.Stride;
            for (int key = 0; key < keyRows; key += Rows)
            {
                int first = 0, end = tile.Blocks;
                while (first < end && Misses(tile.Spans + (first * 2), key)) first++;
                while (first < end && Misses(tile.Spans + ((end - 1) * 2), key)) end--;
                if (first == end) continue;
                int row = first * Rows, steps = (end - first) * Rows;
                AttentionMultiply.Run<T>(tile.Weights + (row * stride) + key, 1, stride,
                    tile.OutputGradients + (row * tile.ValueWidth), tile.ValueWidth,
                    values + (key * tile.ValueWidth), tile.ValueWidth, steps,
                    tile.ValueWidth / T.Width, AttentionMultiply.Ones);
                AttentionMultiply.Run<T>(tile.ScoreGradients + (row * stride) + key, 1, stride,
                    tile.Queries + (row * tile.Width), tile.Width,
                    keys + (key * tile.Width), tile.Width, steps,
                    tile.Width / T.Width, AttentionMultiply.Ones);
            }
        }

        private static bool Misses(int* span, int key) =>
            span[0] >= key + Rows || span[1] <= key;

        private readonly void WriteQueries(int sequence, int keyHead, float* share, int width)
        {
            AttentionSizes s = Problem.Sizes;
            int padded = (s.QueryLength + AttentionMultiply.Rows - 1) /
                AttentionMultiply.Rows * AttentionMultiply.Rows;
            for (int member = 0; member < Problem.Group; member++)
            {
                int head = (keyHead * Problem.Group) + member;
                AttentionPacking.Unpack<T>(share + ((long)member * padded * width),
                    s.QueryLength, s.HeadDimension, Problem.Scale,
                    Gradients.Query + (sequence * Problem.QueryStrides.Batch) +
                    (head * Problem.QueryStrides.Head), Problem.QueryStrides.Sequence);
            }
        }
    }
}
