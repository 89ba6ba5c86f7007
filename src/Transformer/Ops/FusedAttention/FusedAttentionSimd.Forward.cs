using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Tiled attention: o = softmax(scale·q·kᵀ)·v with the weights of one tile only ever in scratch.
/// </summary>
/// <remarks>
/// Shapes: as <see cref="AttentionInputs"/>.
/// Work: a unit is (sequence, key/value head, up to 48 blocks of 6 queries, 144 under a window,
/// over all query heads of the group); it runs over the keys in tiles of 64, k transposed once for
/// all its blocks, v taken where it lies if its rows are dense, else packed; the next tile is asked
/// for meanwhile. A block's tile is hidden, whole or cut: told once, from the interval rules and
/// the masks, with whose query blocks register blocks end. Up to four blocks that see the same
/// columns go through scores, softmax and output together. A batch is one or more units. Up to 8
/// queries over more than 1024 keys (decoding) are also split into ranges of 1024 keys, whose
/// partial results <see cref="AttentionSplits{T}"/> joins. Up to six rows in all transpose and pack
/// nothing: <see cref="AttentionDots"/> and <see cref="AttentionWeightedRows"/> read k and v, pages
/// and 16-bit ones too, where they lie.
/// Memory of a unit of 48 (floats): q [288, D], o [288, Dv], kᵀ [D, 64], v [64, Dv], sums
/// [288, W], maxima [288 + 16], spans [48, 10], scores [24, 64], one row [64], factors [24 + 16];
/// for pages and 16-bit operands also k or v [64, max(D, Dv)]; for 16-bit ones q [6, D]. D and Dv
/// are padded to whole vectors of W.
/// Bytes: q, o once, k, v once a unit; 2·(D + Dv) operations a visible score, so that 288 queries
/// take 288·2·(D + Dv) operations for the 4·(D + Dv) bytes of a key and its value: 144 a byte,
/// bound by arithmetic.
/// Numerics: binary32 with the running maximum subtracted. A block knows its interval of keys;
/// tiles outside it are skipped and columns inside a tile are cut to it, so only blocks at an edge
/// select.
/// Preconditions: those of <see cref="FusedAttentionForwardSimd"/>.
/// Source: Dao et al. 2022, algorithm 1, with keys in the outer loop of a unit.
/// </remarks>
internal static unsafe class AttentionForwardTiles<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
{
    private const int KeyTile = AttentionTile.Keys;
    private const int Rows = AttentionMultiply.Rows;
    private const long WorkPerBatch = 1 << 17;
    internal const int SplitKeys = 1024;
    private const int SplitFromKeys = 1024;
    private const int SplitUpToQueries = 8;

    /// <summary>Computes every row; logSumExp may be null.</summary>
    public static void Run(
        in AttentionProblem problem, TScore score, AttentionOperand output, float* logSumExp)
    {
        AttentionSizes s = problem.Sizes;
        int blocks = AttentionBlocks.Count(problem, s.QueryLength);
        int perUnit = BlocksPerUnit(problem, blocks);
        int unitsPerPair = (blocks + perUnit - 1) / perUnit;
        int splits = s.QueryLength <= SplitUpToQueries && s.KeyLength > SplitFromKeys
            ? (s.KeyLength + SplitKeys - 1) / SplitKeys : 1;
        long units = (long)s.Batch * s.KeyValueHeads * unitsPerPair * splits;
        long work = Math.Max(1, (long)perUnit * Rows * s.KeyLength / splits *
            (s.HeadDimension + s.ValueDimension));
        int perBatch = (int)Math.Clamp(WorkPerBatch / work, 1, units);
        int partial = AttentionSplits<T>.Stride(s.ValueDimension);
        using HostBlock partials = splits == 1 ? default : HostMemory.Rent(
            (long)s.Batch * s.QueryHeads * s.QueryLength * splits * partial * sizeof(float));
        Work batches = new()
        {
            Problem = problem,
            Score = score,
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
            AttentionSplits<T>.Run(problem, batches.Partials, splits, output, logSumExp);
        }
    }

    /// <summary>Many blocks amortise the packing of keys, which costs about a fifth of a block's
    /// work; few give more units to share out, and the last ones running alone cost half a unit.
    /// All units of a pair are of one size.</summary>
    private static int BlocksPerUnit(in AttentionProblem problem, int blocks)
    {
        AttentionSizes s = problem.Sizes;
        int fit = Math.Clamp(65536 / (s.HeadDimension + s.ValueDimension) / Rows, 8, 48);
        // Of a window's blocks only those are at work, and in cache, that see the tile.
        if (problem.Sequences.HasWindow) fit *= 3;
        long pairs = (long)s.Batch * s.KeyValueHeads;
        int parts = (blocks + fit - 1) / fit;
        int most = (blocks + 7) / 8;
        while (parts < most && pairs * parts < 64) parts++;
        return Math.Max(1, (blocks + parts - 1) / Math.Max(1, parts));
    }

    internal struct Work : IBatchWork
    {
        public AttentionProblem Problem;
        public TScore Score;
        public AttentionOperand Output;
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
            using HostBlock block = HostMemory.Rent(ScratchCarver.Bytes(
                rows * width, rows * valueWidth, (long)KeyTile * s.HeadDimension,
                (long)KeyTile * valueWidth, rows * T.Width,
                rows + AttentionSoftmax.Slack, BlocksPerUnit * (long)AttentionSpan.Floats,
                AttentionSoftmax.MaximumRows * KeyTile, KeyTile,
                AttentionSoftmax.MaximumRows + AttentionSoftmax.Slack, Problem.TileScratch,
                Rows * (long)s.HeadDimension));
            AttentionForwardUnit<T, TScore> unit = new(this, block);
            long first = (long)batch * UnitsPerBatch;
            long end = Math.Min(Units, first + UnitsPerBatch);
            for (long index = first; index < end; index++) unit.Run(index);
        }
    }
}
