using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The state of one unit of <see cref="AttentionForwardTiles{T, TScore}"/>, all of it in
/// scratch, and what happens to its tiles.</summary>
internal unsafe ref struct AttentionForwardUnit<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
{
    private const int KeyTile = AttentionTile.Keys;
    private const int Rows = AttentionMultiply.Rows;
    private const int SplitKeys = AttentionForwardTiles<T, TScore>.SplitKeys;

    private readonly AttentionProblem problem;
    private readonly AttentionForwardTiles<T, TScore>.Work work;
    private readonly int width;
    private readonly int valueWidth;
    private readonly float* queries;
    private readonly float* outputs;
    private readonly float* keys;
    private readonly float* values;
    private readonly float* sums;
    private readonly float* maxima;
    private readonly float* scores;
    private readonly float* rowScratch;
    private readonly float* factors;
    private readonly float* keyScratch;
    private readonly float* queryScratch;
    private readonly int* spans;
    private int sequence;
    private int sequenceQueries;
    private int keyHead;
    private int firstBlock;
    private int split;
    private bool useDots;
    private bool finite;
    private float* keyRows;
    private long keyStride;

    /// <summary>Lays the unit out in scratch.</summary>
    public AttentionForwardUnit(in AttentionForwardTiles<T, TScore>.Work work, HostBlock scratch)
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
        rowScratch = carver.Take(KeyTile);
        factors = carver.Take(AttentionSoftmax.MaximumStride);
        keyScratch = carver.Take(problem.TileScratch);
        queryScratch = carver.Take(Rows * (long)problem.Sizes.HeadDimension);
        new Span<float>(scores, Rows * KeyTile).Clear();
    }

    /// <summary>Computes the unit's rows over its range of keys.</summary>
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
        sequenceQueries = problem.Sequences.Queries(sequence);
        keyHead = (int)(pair % s.KeyValueHeads);
        firstBlock = part * work.BlocksPerUnit;
        int blocks = AttentionForwardTiles<T, TScore>.Blocks(sequenceQueries, problem.Group);
        int count = Math.Min(work.BlocksPerUnit, blocks - firstBlock);
        if (count <= 0) return;
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
            bool packed = false;
            for (int block = 0; block < count; block++)
            {
                if (!Sees(block, tile, tileKeys)) continue;
                if (!packed) Pack(tile, tileKeys);
                packed = true;
                AddTile(block, tile, tileKeys);
            }
        }

        for (int block = 0; block < count; block++) Finish(block);
    }

    /// <summary>First row of a block in [group, Sq], and its number of rows.</summary>
    private readonly int FirstRow(int block, out int rows)
    {
        int index = firstBlock + block;
        if (sequenceQueries < Rows)
        {
            rows = Math.Min(Rows, (problem.Group * sequenceQueries) - (index * Rows));
            return index * Rows;
        }

        int perHead = (sequenceQueries + Rows - 1) / Rows;
        int query = index % perHead * Rows;
        rows = Math.Min(Rows, sequenceQueries - query);
        return (index / perHead * sequenceQueries) + query;
    }

    private readonly void Locate(int row, out int head, out int query)
    {
        head = (keyHead * problem.Group) + (row / sequenceQueries);
        query = row % sequenceQueries;
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
            bool shared = sequenceQueries < Rows;
            int firstQuery = shared ? 0 : row % sequenceQueries;
            int lastQuery = shared ? sequenceQueries - 1 : firstQuery + rows - 1;
            int* span = spans + (block * 4);
            problem.Sequences.VisibleKeys(sequence, firstQuery, out span[0], out span[3]);
            problem.Sequences.VisibleKeys(sequence, lastQuery, out span[2], out span[1]);
            if (span[0] >= span[1]) continue;
            first = Math.Min(first, span[0]);
            end = Math.Max(end, span[1]);
        }

        first = Math.Min(first, end);
    }

    private readonly void PackQueries(int row, int rows, float* target)
    {
        int step = sequenceQueries < Rows ? 1 : rows;
        for (int i = 0; i < rows; i += step)
        {
            Locate(row + i, out int head, out int query);
            float* source = problem.Query.ReadQueries(problem.Sequences, sequence, head, query,
                step, queryScratch, out long stride);
            AttentionPacking.Rows<T>(source, stride, step, problem.Sizes.HeadDimension,
                problem.Scale, target + (i * width));
        }
    }

    /// <summary>Brings a tile of keys and values into the forms that the products take.</summary>
    private void Pack(int tile, int tileKeys)
    {
        AttentionSizes s = problem.Sizes;
        // Values first: the scratch then keeps the keys, which dot products read from it.
        float* value = problem.Value.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out long stride);
        finite = AttentionPacking.Rows<T>(
            value, stride, tileKeys, s.ValueDimension, 1, values);
        keyRows = problem.Key.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out keyStride);
        if (!useDots)
        {
            AttentionPacking.Transposed<T>(
                keyRows, keyStride, tileKeys, s.HeadDimension, keys, KeyTile);
        }
    }

    /// <summary>True when a row of the block sees a key of the tile.</summary>
    private readonly bool Sees(int block, int tile, int tileKeys)
    {
        int* span = spans + (block * 4);
        int first = Math.Max(tile, span[0]), end = Math.Min(tile + tileKeys, span[1]);
        if (first >= end) return false;
        if (!problem.Masks.ArePresent && !TScore.HidesKeys) return true;
        int row = FirstRow(block, out int rows);
        for (int i = 0; i < rows; i++)
        {
            Locate(row + i, out int head, out int query);
            if (AttentionRow.SeesAny(problem, work.Score, sequence, head, query, first, end))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>One block of queries against the packed tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddTile(int block, int tile, int tileKeys)
    {
        // The block's queries see keys within [span 0, span 1), all of them [span 2, span 3).
        int* span = spans + (block * 4);
        int first = Math.Max(0, span[0] - tile);
        int end = Math.Min(tileKeys, span[1] - tile);
        int row = FirstRow(block, out int rows);
        int from = first / T.Width * T.Width;
        int to = AttentionPacking.Pad<T>(end);
        float* q = queries + (block * Rows * width);
        if (useDots)
        {
            AttentionDots.Run<T>(q, rows, problem.Sizes.HeadDimension, keyRows, keyStride, first,
                end, scores, KeyTile);
        }
        else
        {
            AttentionMultiply.Chained<T>(q, width, keys + from, KeyTile, scores + from, KeyTile,
                problem.Sizes.HeadDimension, (to - from) / T.Width);
        }

        bool shape = typeof(TScore) != typeof(NoScoreModifier) || problem.ShapesScores ||
            span[2] - tile > from || span[3] - tile < to || tileKeys < to;
        if (shape) Shape(row, rows, tile, tileKeys, from, to);
        AttentionSoftmax.Update<T>(scores, KeyTile, from, to,
            maxima + (block * AttentionSoftmax.MaximumStride),
            sums + (block * Rows * T.Width), factors);
        if (problem.Dropout.IsPresent) Drop(row, rows, tile, from, to);
        float* target = outputs + (block * Rows * valueWidth);
        float* value = values + (first * valueWidth);
        if (finite || !(shape || problem.Dropout.IsPresent))
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

    private readonly void Shape(int row, int rows, int tile, int tileKeys, int from, int to)
    {
        for (int i = 0; i < Rows; i++)
        {
            // Rows past the last one repeat it; nobody reads them.
            Locate(row + Math.Min(i, rows - 1), out int head, out int query);
            AttentionRow.Of(problem, sequence, head, query, tile, tileKeys).Shape<T, TScore>(
                problem, work.Score, scores + (i * KeyTile), from, to, rowScratch);
        }
    }

    private readonly void Drop(int row, int rows, int tile, int from, int to)
    {
        for (int i = 0; i < rows; i++)
        {
            Locate(row + i, out int head, out int query);
            problem.Dropout.Apply<T>(new(sequence, head, query, tile, from, to),
                scores + (i * KeyTile), from, to, rowScratch);
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
            if (work.Splits > 1)
            {
                long padded = ((((long)sequence * problem.Sizes.QueryHeads) + head) *
                    problem.Sizes.QueryLength) + query;
                AttentionSplits<T>.Put(work.Partials, (padded * work.Splits) + split,
                    result + (row * valueWidth), valueWidth, maximum[row], total);
                continue;
            }

            float factor = AttentionSoftmax.Normalise(
                maximum[row], total, problem.Terms.Sink(head), out float logSumExp);
            work.Output.WriteQueries<T>(problem.Sequences, sequence, head, query, 1,
                result + (row * valueWidth), factor);
            if (work.LogSumExp == null) continue;
            work.LogSumExp[problem.Sequences.RowIndex(sequence, head, query)] = logSumExp;
        }
    }
}
