using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The state of one unit of <see cref="AttentionForwardTiles{T, TScore}"/>, all of it in
/// scratch, and what happens to its tiles.</summary>
internal unsafe ref partial struct AttentionForwardUnit<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IScoreModifier
{
    private const int KeyTile = AttentionTile.Keys;
    private const int Rows = AttentionMultiply.Rows;
    private const int RunBlocks = AttentionSoftmax.MaximumRows / Rows;
    private const int BlockScores = Rows * KeyTile;
    private const int SplitKeys = AttentionForwardTiles<T, TScore>.SplitKeys;

    private readonly AttentionProblem problem;
    private readonly AttentionForwardTiles<T, TScore>.Work work;
    private readonly int width;
    private readonly int valueWidth;
    private readonly float* queries;
    private readonly float* outputs;
    private readonly float* keys;
    private readonly float* packedValues;
    private readonly float* sums;
    private readonly float* maxima;
    private readonly float* scores;
    private readonly float* rowScratch;
    private readonly float* factors;
    private readonly float* keyScratch;
    private readonly float* queryScratch;
    private readonly AttentionSpan* spans;
    private int sequence;
    private int sequenceQueries;
    private int keyHead;
    private int slice;
    private AttentionInterval interval;
    private int firstBlock;
    private int split;
    private int rangeFirst;
    private int rangeEnd;
    private float* values;
    private bool finite;
    private bool checkedFinite;

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
        packedValues = carver.Take((long)KeyTile * valueWidth);
        sums = carver.Take(rows * T.Width);
        maxima = carver.Take(rows + AttentionSoftmax.Slack);
        spans = (AttentionSpan*)carver.Take(work.BlocksPerUnit * AttentionSpan.Floats);
        scores = carver.Take(AttentionSoftmax.MaximumRows * KeyTile);
        rowScratch = carver.Take(KeyTile);
        factors = carver.Take(AttentionSoftmax.MaximumRows + AttentionSoftmax.Slack);
        keyScratch = carver.Take(problem.TileScratch);
        queryScratch = carver.Take(Rows * (long)problem.Sizes.HeadDimension);
        new Span<float>(scores, AttentionSoftmax.MaximumRows * KeyTile).Clear();
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
        interval = problem.Sequences.Interval(sequence);
        slice = AttentionBlocks.Slice(problem, sequenceQueries);
        int count = PartOf(AttentionBlocks.Count(problem, sequenceQueries), part);
        if (count <= 0) return;
        Start(count, out int first, out int end);
        if (work.Splits > 1)
        {
            first = Math.Max(first, split * SplitKeys);
            end = (int)Math.Min(end, (split + 1L) * SplitKeys);
        }

        rangeFirst = first;
        rangeEnd = end;
        for (int tile = first / KeyTile * KeyTile; tile < end; tile += KeyTile)
        {
            AddTile(tile, Math.Min(KeyTile, end - tile), count);
        }

        for (int block = 0; block < count; block++) Finish(spans[block], block * Rows);
    }

    /// <summary>Runs of up to four blocks that see the same columns of a tile go through each step
    /// together: the keys stay in the first-level cache from block to block, then the values do,
    /// and the softmax has many independent rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddTile(int tile, int tileKeys, int count)
    {
        bool packed = false;
        AttentionAhead ahead = Ahead(tile + KeyTile);
        for (int block = 0; block < count;)
        {
            int run = FindRun(block, count, tile, tileKeys, out int from, out int to);
            if (run == 0)
            {
                block += Hidden(spans[block], tile, tileKeys);
                continue;
            }

            if (!packed && !problem.HasFewRows) Pack(tile, tileKeys);
            packed = true;
            AddBlocks(block, run, tile, tileKeys, from, to);
            block += run;
            ahead.Until(block, count);
        }
    }

    /// <summary>Packs the queries, clears the state, finds every block's keys.</summary>
    private readonly void Start(int count, out int first, out int end)
    {
        first = int.MaxValue;
        end = 0;
        new Span<float>(outputs, count * Rows * valueWidth).Clear();
        new Span<float>(sums, count * Rows * T.Width).Clear();
        new Span<float>(maxima, (count * Rows) + AttentionSoftmax.Slack)
            .Fill(float.NegativeInfinity);
        for (int block = 0; block < count; block++)
        {
            ref AttentionSpan span = ref spans[block];
            PlaceBlock(firstBlock + block, ref span);
            span.Alike = Math.Min(span.Alike, count - block);
            float* packed = queries + (block * Rows * width);
            PackQueries(span.Row, span.Rows, packed);
            new Span<float>(packed + (span.Rows * width), (Rows - span.Rows) * width).Clear();

            // A block shared by heads sees what all queries see.
            bool shared = sequenceQueries < Rows;
            int firstQuery = shared ? 0 : span.Query;
            int lastQuery = shared ? sequenceQueries - 1 : span.Query + span.Rows - 1;
            interval.Of(firstQuery, out span.First, out span.EndOfAll);
            interval.Of(lastQuery, out span.FirstOfAll, out span.End);
            if (span.First >= span.End) continue;
            first = Math.Min(first, span.First);
            end = Math.Max(end, span.End);
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

    /// <summary>Brings a tile of keys and values into the forms that the products take; dense
    /// rows of values are taken where they lie.</summary>
    private void Pack(int tile, int tileKeys)
    {
        AttentionSizes s = problem.Sizes;
        float* value = problem.Value.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out long stride);
        // In the scratch that keys come through next they cannot stay; padded rows would reach into
        // what lies behind them.
        bool dense = value != keyScratch && stride == valueWidth &&
            s.ValueDimension == valueWidth;
        checkedFinite = !dense;
        values = dense ? value : packedValues;
        if (!dense)
        {
            finite = AttentionPacking.Rows<T>(
                value, stride, tileKeys, s.ValueDimension, 1, packedValues);
        }

        float* key = problem.Key.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out stride);
        AttentionPacking.Transposed<T>(
            key, stride, tileKeys, s.HeadDimension, keys, KeyTile);
    }

    /// <summary>True when no value of the tile is NaN or ∞: found out where some block hides keys
    /// of it.</summary>
    private bool ValuesAreFinite(int tileKeys)
    {
        if (!checkedFinite)
        {
            finite = AttentionPacking.AreFinite<T>(values, valueWidth, tileKeys, valueWidth);
            checkedFinite = true;
        }

        return finite;
    }

    /// <summary>A run of blocks against columns [from, to) of the packed tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddBlocks(
        int block, int run, int tile, int tileKeys, int from, int to)
    {
        if (problem.HasFewRows)
        {
            AddInPlace(tile, tileKeys, from, to);
            return;
        }

        bool changes = typeof(TScore) != typeof(NoScoreModifier) || problem.ChangesScores;
        for (int i = 0; i < run; i++)
        {
            AttentionMultiply.Chained<T>(queries + ((block + i) * Rows * width), width,
                keys + from, KeyTile, scores + (i * BlockScores) + from, KeyTile,
                problem.Sizes.HeadDimension, (to - from) / T.Width);
            ref readonly AttentionSpan span = ref spans[block + i];
            float* at = scores + (i * BlockScores);
            if (changes || (span.IsWhole == 0 && problem.Masks.ArePresent))
            {
                Shape(span, tile, tileKeys, at, from, to);
            }
            else if (span.IsWhole == 0)
            {
                Cut(span, tile, tileKeys, at, from, to);
            }
        }

        AttentionSoftmax.Update<T>(scores, KeyTile, run * Rows, from, to,
            maxima + (block * Rows), sums + (block * Rows * T.Width), factors);
        bool hides = changes || problem.Dropout.IsPresent;
        for (int i = 0; i < run; i++)
        {
            ref readonly AttentionSpan span = ref spans[block + i];
            bool skips = (hides || span.IsWhole == 0) && !ValuesAreFinite(tileKeys);
            AddValues(span, tile, tileKeys, from, to, skips,
                scores + (i * BlockScores), factors + (i * Rows),
                outputs + ((block + i) * Rows * valueWidth));
        }
    }

    /// <summary>o = diag(factors)·o + p·v for one block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddValues(
        in AttentionSpan span, int tile, int tileKeys, int from, int to, bool skips,
        float* weights, float* rowFactors, float* target)
    {
        if (problem.Dropout.IsPresent) Drop(span, tile, weights, from, to);
        int first = Math.Max(0, span.First - tile);
        int steps = Math.Min(tileKeys, span.End - tile) - first;
        float* value = values + (first * valueWidth);
        if (skips)
        {
            AttentionVisible.Add<T>(weights + first, KeyTile, 1, value, valueWidth, target,
                valueWidth, steps, valueWidth / T.Width, rowFactors);
            return;
        }

        AttentionMultiply.Run<T>(weights + first, KeyTile, 1, value, valueWidth, target,
            valueWidth, steps, valueWidth / T.Width, rowFactors);
    }

    private readonly void Shape(
        in AttentionSpan span, int tile, int tileKeys, float* values, int from, int to)
    {
        for (int i = 0; i < Rows; i++)
        {
            // Rows past the last one repeat it; nobody reads them.
            Locate(span.Row + Math.Min(i, span.Rows - 1), out int head, out int query);
            AttentionRow.Of(problem, sequence, head, query, tile, tileKeys).Shape<T, TScore>(
                problem, work.Score, values + (i * KeyTile), from, to, rowScratch);
        }
    }

    /// <summary>What <see cref="Shape"/> does where only the interval rules hide keys.</summary>
    private readonly void Cut(
        in AttentionSpan span, int tile, int tileKeys, float* values, int from, int to)
    {
        for (int i = 0; i < Rows; i++)
        {
            int query = span.Query + Math.Min(i, span.Rows - 1);
            if (sequenceQueries < Rows) query %= sequenceQueries;
            interval.Of(query, out int first, out int end);
            AttentionRow.Cut<T>(values + (i * KeyTile), first - tile,
                Math.Min(tileKeys, end - tile), from, to);
        }
    }

    private readonly void Drop(
        in AttentionSpan span, int tile, float* weights, int from, int to)
    {
        for (int i = 0; i < span.Rows; i++)
        {
            Locate(span.Row + i, out int head, out int query);
            problem.Dropout.Apply<T>(new(sequence, head, query, tile, from, to),
                weights + (i * KeyTile), from, to, rowScratch);
        }
    }

    /// <summary>Writes the results of a block whose state begins at a row of the unit.</summary>
    private readonly void Finish(in AttentionSpan span, int at)
    {
        for (int row = 0; row < span.Rows; row++, at++)
        {
            Locate(span.Row + row, out int head, out int query);
            float total = AttentionSoftmax.Sum<T>(sums, at);
            if (work.Splits > 1)
            {
                long padded = ((((long)sequence * problem.Sizes.QueryHeads) + head) *
                    problem.Sizes.QueryLength) + query;
                AttentionSplits<T>.Put(work.Partials, (padded * work.Splits) + split,
                    outputs + (at * valueWidth), valueWidth, maxima[at], total);
                continue;
            }

            float* logSumExp = work.LogSumExp == null ? null
                : work.LogSumExp + problem.Sequences.RowIndex(sequence, head, query);
            float factor = AttentionSoftmax.Normalise(
                maxima[at], total, problem.Terms.Sink(head), logSumExp);
            work.Output.WriteQueries<T>(problem.Sequences, sequence, head, query, 1,
                outputs + (at * valueWidth), factor);
        }
    }
}
