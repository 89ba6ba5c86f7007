using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Tiled attention: o = softmax(scale·q·kᵀ)·v with the weights of one tile only ever in scratch.
/// </summary>
/// <remarks>
/// Shapes: as <see cref="AttentionInputs"/>.
/// Work: a unit is (sequence, key/value head, up to 40 blocks of 6 queries, over all
/// query heads of the group); it runs over the keys in tiles of 64 that are packed once (k
/// transposed, v padded) and serve all its blocks. A batch is one or more units. Up to 8 queries
/// over more than 1024 keys (decoding) are also split into ranges of 512 keys, whose partial
/// results <see cref="AttentionMerge{T}"/> joins; up to six rows in all take dot products instead
/// of transposing k.
/// Memory of a unit: q and o [240, D + Dv] floats, k and v tile [64, D + Dv], scores [6, 64].
/// Bytes: q, o once, k, v once a unit; 2·(D + Dv) operations a visible score, so 60 operations a
/// byte at D = 64 with 240 queries: bound by arithmetic.
/// Numerics: binary32 with the running maximum subtracted. A block knows its interval of keys;
/// tiles outside it are skipped and columns inside a tile are cut to it, so only blocks at an edge
/// select.
/// Source: Dao et al. 2022, algorithm 1, with keys in the outer loop of a unit.
/// </remarks>
internal static unsafe class AttentionForwardTiles<T> where T : struct, ISimdFloat<T>
{
    /// <summary>Keys of a tile.</summary>
    public const int KeyTile = 64;

    private const int Rows = AttentionMultiply.Rows;
    private const long WorkPerBatch = 1 << 17;
    private const int SplitKeys = 512;
    private const int SplitFromKeys = 1024;
    private const int SplitUpToQueries = 8;

    /// <summary>Computes every row; logSumExp may be null.</summary>
    public static void Run(in AttentionProblem problem, float* output, float* logSumExp)
    {
        AttentionSizes s = problem.Sizes;
        int blocks = Blocks(s, problem.Group);
        int perUnit = BlocksPerUnit(problem, blocks);
        int unitsPerPair = (blocks + perUnit - 1) / perUnit;
        int splits = s.QueryLength <= SplitUpToQueries && s.KeyLength > SplitFromKeys
            ? (s.KeyLength + SplitKeys - 1) / SplitKeys : 1;
        long units = (long)s.Batch * s.KeyValueHeads * unitsPerPair * splits;
        long work = Math.Max(1, (long)perUnit * Rows * s.KeyLength / splits *
            (s.HeadDimension + s.ValueDimension));
        int perBatch = (int)Math.Clamp(WorkPerBatch / work, 1, units);
        int partial = AttentionMerge<T>.Stride(s.ValueDimension);
        using HostBlock partials = splits == 1 ? default : HostMemory.Rent(
            (long)s.Batch * s.QueryHeads * s.QueryLength * splits * partial * sizeof(float));
        Work batches = new()
        {
            Problem = problem,
            Output = output,
            LogSumExp = logSumExp,
            BlocksPerUnit = perUnit,
            UnitsPerPair = unitsPerPair,
            Units = units,
            UnitsPerBatch = perBatch,
            Splits = splits,
            Partials = partials.Pointer<float>(),
        };
        CpuParallel.For(checked((int)((units + perBatch - 1) / perBatch)), ref batches);
        if (splits > 1)
        {
            AttentionMerge<T>.Run(problem, batches.Partials, splits, output, logSumExp);
        }
    }

    /// <summary>Many blocks amortise the packing; few give more units to share out.</summary>
    private static int BlocksPerUnit(in AttentionProblem problem, int blocks)
    {
        AttentionSizes s = problem.Sizes;
        int fit = Math.Clamp(65536 / (s.HeadDimension + s.ValueDimension) / Rows, 8, 40);
        long pairs = (long)s.Batch * s.KeyValueHeads;
        while (fit > 8 && pairs * ((blocks + fit - 1) / fit) < 32) fit /= 2;
        return Math.Min(fit, blocks);
    }

    /// <summary>Blocks of a group: rows of fewer than six queries share blocks across heads.
    /// </summary>
    private static int Blocks(in AttentionSizes s, int group) => s.QueryLength < Rows
        ? ((group * s.QueryLength) + Rows - 1) / Rows
        : group * ((s.QueryLength + Rows - 1) / Rows);

    private struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public float* Output;
        public float* LogSumExp;
        public int BlocksPerUnit;
        public int UnitsPerPair;
        public long Units;
        public int UnitsPerBatch;
        public int Splits;
        public float* Partials;

        public readonly void Run(int batch)
        {
            AttentionSizes s = Problem.Sizes;
            int width = AttentionPacking.Pad<T>(s.HeadDimension);
            int valueWidth = AttentionPacking.Pad<T>(s.ValueDimension);
            long rows = (long)BlocksPerUnit * Rows;
            long floats = ScratchCarver.Bytes(rows * (width + valueWidth)) +
                ScratchCarver.Bytes((long)KeyTile * (s.HeadDimension + valueWidth)) +
                ScratchCarver.Bytes(rows * T.Width) +
                ScratchCarver.Bytes(BlocksPerUnit * (AttentionSoftmax.MaximumStride + 4L)) +
                ScratchCarver.Bytes((Rows + 1L) * KeyTile) + (8 * 64);
            using HostBlock block = HostMemory.Rent(floats);
            Unit unit = new(this, block.Address);
            long first = (long)batch * UnitsPerBatch;
            long end = Math.Min(Units, first + UnitsPerBatch);
            for (long index = first; index < end; index++) unit.Run(index);
        }
    }

    /// <summary>The state of one unit, all of it in scratch.</summary>
    private ref struct Unit
    {
        private readonly AttentionProblem problem;
        private readonly Work work;
        private readonly int width;
        private readonly int valueWidth;
        private readonly float* queries;
        private readonly float* outputs;
        private readonly float* keys;
        private readonly float* values;
        private readonly float* sums;
        private readonly float* maxima;
        private readonly float* scores;
        private readonly float* mask;
        private readonly float* factors;
        private readonly int* spans;
        private int sequence;
        private int keyHead;
        private int firstBlock;
        private int split;
        private bool useDots;
        private bool finite;

        public Unit(in Work work, nint scratch)
        {
            problem = work.Problem;
            this.work = work;
            width = AttentionPacking.Pad<T>(problem.Sizes.HeadDimension);
            valueWidth = AttentionPacking.Pad<T>(problem.Sizes.ValueDimension);
            ScratchCarver carver = new(scratch);
            long rows = (long)work.BlocksPerUnit * Rows;
            queries = carver.Take(rows * width);
            outputs = carver.Take(rows * valueWidth);
            keys = carver.Take((long)KeyTile * problem.Sizes.HeadDimension);
            values = carver.Take((long)KeyTile * valueWidth);
            sums = carver.Take(rows * T.Width);
            maxima = carver.Take(work.BlocksPerUnit * AttentionSoftmax.MaximumStride);
            spans = (int*)carver.Take(work.BlocksPerUnit * 4L);
            scores = carver.Take(Rows * KeyTile);
            mask = carver.Take(KeyTile);
            factors = carver.Take(AttentionSoftmax.MaximumStride);
            new Span<float>(scores, Rows * KeyTile).Clear();
        }

        public void Run(long index)
        {
            AttentionSizes s = problem.Sizes;
            split = (int)(index % work.Splits);
            index /= work.Splits;
            long pair = index / work.UnitsPerPair;
            int part = (int)(index % work.UnitsPerPair);
            // Later queries of a causal call see more keys: the largest units go first.
            if (problem.IsCausal) part = work.UnitsPerPair - 1 - part;
            sequence = (int)(pair / s.KeyValueHeads);
            keyHead = (int)(pair % s.KeyValueHeads);
            firstBlock = part * work.BlocksPerUnit;
            int blocks = Blocks(s, problem.Group);
            int count = Math.Min(work.BlocksPerUnit, blocks - firstBlock);
            useDots = problem.HasFewRows;
            Start(count, out int first, out int end);
            if (work.Splits > 1)
            {
                first = Math.Max(first, split * SplitKeys);
                end = Math.Min(end, (split + 1) * SplitKeys);
            }

            for (int tile = first / KeyTile * KeyTile; tile < end; tile += KeyTile)
            {
                int tileKeys = Math.Min(KeyTile, end - tile);
                if (!useDots)
                {
                    AttentionPacking.Transposed<T>(problem.KeyRow(sequence, keyHead, tile),
                        problem.KeyStrides.Sequence, tileKeys, s.HeadDimension, keys, KeyTile);
                }

                finite = AttentionPacking.Rows<T>(problem.ValueRow(sequence, keyHead, tile),
                    problem.ValueStrides.Sequence, tileKeys, s.ValueDimension, 1, values);
                for (int block = 0; block < count; block++) AddTile(block, tile, tileKeys);
            }

            for (int block = 0; block < count; block++) Finish(block);
        }

        /// <summary>First row of a block in [group, Sq], and its number of rows.</summary>
        private readonly int FirstRow(int block, out int rows)
        {
            int queries = problem.Sizes.QueryLength;
            int index = firstBlock + block;
            if (queries < Rows)
            {
                rows = Math.Min(Rows, (problem.Group * queries) - (index * Rows));
                return index * Rows;
            }

            int perHead = (queries + Rows - 1) / Rows;
            int query = index % perHead * Rows;
            rows = Math.Min(Rows, queries - query);
            return (index / perHead * queries) + query;
        }

        private readonly void Locate(int row, out int head, out int query)
        {
            (int member, query) = Math.DivRem(row, problem.Sizes.QueryLength);
            head = (keyHead * problem.Group) + member;
        }

        /// <summary>Packs the queries, clears the state, finds every block's keys.</summary>
        private readonly void Start(int count, out int first, out int end)
        {
            first = int.MaxValue;
            end = 0;
            new Span<float>(queries, count * Rows * width).Clear();
            new Span<float>(outputs, count * Rows * valueWidth).Clear();
            new Span<float>(sums, count * Rows * T.Width).Clear();
            new Span<float>(maxima, count * AttentionSoftmax.MaximumStride)
                .Fill(float.NegativeInfinity);
            for (int block = 0; block < count; block++)
            {
                int row = FirstRow(block, out int rows);
                PackQueries(row, rows, queries + (block * Rows * width));

                // A block shared by heads sees what all queries see.
                int queryCount = problem.Sizes.QueryLength;
                int firstQuery = queryCount < Rows ? 0 : row % queryCount;
                int lastQuery = queryCount < Rows ? queryCount - 1 : firstQuery + rows - 1;
                int* span = spans + (block * 4);
                problem.VisibleKeys(sequence, firstQuery, out span[0], out span[3]);
                problem.VisibleKeys(sequence, lastQuery, out span[2], out span[1]);
                if (span[0] >= span[1]) continue;
                first = Math.Min(first, span[0]);
                end = Math.Max(end, span[1]);
            }

            first = Math.Min(first, end);
        }

        private readonly void PackQueries(int row, int rows, float* target)
        {
            int step = problem.Sizes.QueryLength < Rows ? 1 : rows;
            for (int i = 0; i < rows; i += step)
            {
                Locate(row + i, out int head, out int query);
                AttentionPacking.Rows<T>(problem.QueryRow(sequence, head, query),
                    problem.QueryStrides.Sequence, step, problem.Sizes.HeadDimension,
                    problem.Scale, target + (i * width));
            }
        }

        /// <summary>One block of queries against the packed tile.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void AddTile(int block, int tile, int tileKeys)
        {
            // The block's queries see keys within [span 0, span 1), all of them [span 2, span 3).
            int* span = spans + (block * 4);
            int first = Math.Max(0, span[0] - tile);
            int end = Math.Min(tileKeys, span[1] - tile);
            if (first >= end) return;
            int row = FirstRow(block, out int rows);
            if (!MaskShowsAny(row, rows, tile + first, tile + end)) return;
            int from = first / T.Width * T.Width;
            int to = AttentionPacking.Pad<T>(end);
            float* q = queries + (block * Rows * width);
            if (useDots)
            {
                AttentionDots.Run<T>(q, rows, problem.Sizes.HeadDimension,
                    problem.KeyRow(sequence, keyHead, tile), problem.KeyStrides.Sequence,
                    first, end, scores, KeyTile);
            }
            else
            {
                AttentionMultiply.Run<T>(q, width, 1, keys + from, KeyTile, scores + from, KeyTile,
                    problem.Sizes.HeadDimension, (to - from) / T.Width, null);
            }

            bool shape = problem.ShapesScores || span[2] - tile > from || span[3] - tile < to ||
                tileKeys < to;
            if (shape) Shape(row, rows, tile, tileKeys, from, to);
            AttentionSoftmax.Update<T>(scores, KeyTile, from, to,
                maxima + (block * AttentionSoftmax.MaximumStride),
                sums + (block * Rows * T.Width), factors);
            float* target = outputs + (block * Rows * valueWidth);
            float* value = values + (first * valueWidth);
            if (finite || !shape)
            {
                AttentionMultiply.Run<T>(scores + first, KeyTile, 1, value, valueWidth, target,
                    valueWidth, end - first, valueWidth / T.Width, factors);
            }
            else
            {
                AttentionVisible.Add<T>(scores + first, KeyTile, 1, value, valueWidth, target,
                    valueWidth, end - first, valueWidth / T.Width, factors);
            }
        }

        private readonly bool MaskShowsAny(int row, int rows, int first, int end)
        {
            if (problem.Mask == null) return true;
            for (int i = 0; i < rows; i++)
            {
                Locate(row + i, out int head, out int query);
                if (problem.MaskShowsAny(sequence, head, query, 1, first, end)) return true;
            }

            return false;
        }

        private readonly void Shape(int row, int rows, int tile, int tileKeys, int from, int to)
        {
            for (int i = 0; i < Rows; i++)
            {
                // Rows past the last one repeat it; nobody reads them.
                Locate(row + Math.Min(i, rows - 1), out int head, out int query);
                AttentionRow.Of(problem, sequence, head, query, tile, tileKeys)
                    .Shape<T>(problem, scores + (i * KeyTile), from, to, mask, null);
            }
        }

        private readonly void Finish(int block)
        {
            int first = FirstRow(block, out int rows);
            float* result = outputs + (block * Rows * valueWidth);
            float* sum = sums + (block * Rows * T.Width);
            float* maximum = maxima + (block * AttentionSoftmax.MaximumStride);
            for (int row = 0; row < rows; row++)
            {
                Locate(first + row, out int head, out int query);
                float total = AttentionSoftmax.Sum<T>(sum, row);
                long index = problem.RowIndex(sequence, head, query);
                if (work.Splits > 1)
                {
                    AttentionMerge<T>.Put(work.Partials, (index * work.Splits) + split,
                        result + (row * valueWidth), valueWidth, maximum[row], total);
                    continue;
                }

                AttentionPacking.Unpack<T>(result + (row * valueWidth), 1,
                    problem.Sizes.ValueDimension, AttentionSoftmax.Inverse(total),
                    work.Output + problem.OutputOffset(sequence, head, query), 0);
                if (work.LogSumExp != null)
                {
                    work.LogSumExp[index] = AttentionSoftmax.LogSumExp(maximum[row], total);
                }
            }
        }
    }
}
