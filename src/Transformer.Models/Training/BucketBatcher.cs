using System.Runtime.InteropServices;
using Transformer.Numerics;

namespace Transformer.Models.Training;

/// <summary>
/// Cuts a data set into batches of pairs of similar length. The batches of an epoch depend on
/// (data, options, seed, epoch) alone, and any of them can be had at once, so that training
/// resumes at (epoch, batch).
/// </summary>
/// <remarks>
/// The pairs are shuffled and cut into pools; each pool is sorted by length, longest first, and
/// cut into full batches; what is left joins the next pool. Then the batches are shuffled. Only
/// the last batch of an epoch may have fewer pairs; blank rows fill it up to the row multiple.
/// </remarks>
public sealed class BucketBatcher
{
    private const uint PairStream = 0xFFFF_0001, BatchStream = 0xFFFF_0002;
    // A pool and one left-over batch are numbered by the 22 bits that a sort key has for them.
    private const int LargestPool = 1 << 18;

    private readonly ParallelDataset dataset;
    private readonly BatchingOptions options;
    private readonly ulong seed;
    private readonly int[] shuffled;
    private readonly int[] order;
    private readonly int[] pool;
    private readonly ulong[] keys;
    private readonly int poolPairs;
    private readonly List<Plan> batches = [];
    private int placed;

    private readonly record struct Plan(
        int Start, int Count, BatchShape Shape, int SourceTokens, int TargetTokens);

    /// <summary>Plans epoch 0.</summary>
    /// <param name="dataset">The pairs.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="seed">Of the order; unused where nothing is shuffled.</param>
    /// <exception cref="ArgumentException">A size is not positive.</exception>
    public BucketBatcher(ParallelDataset dataset, BatchingOptions options, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        this.dataset = dataset;
        this.options = options;
        this.seed = seed;
        poolPairs = options.Shuffle
            ? (int)Math.Clamp(4L * options.TokensPerBatch, 4096, LargestPool)
            : LargestPool;
        shuffled = new int[dataset.Count];
        order = new int[dataset.Count];
        int capacity = (int)Math.Min(
            dataset.Count, poolPairs + (long)options.Rows(options.LengthMultiple));
        pool = new int[capacity];
        keys = new ulong[capacity];
        StartEpoch(0);
    }

    /// <summary>The epoch that is planned.</summary>
    public int Epoch { get; private set; }

    /// <summary>Batches of this epoch.</summary>
    public int BatchCount => batches.Count;

    /// <summary>Plans the batches of an epoch, from 0 on.</summary>
    public void StartEpoch(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        Epoch = epoch;
        batches.Clear();
        placed = 0;
        for (int i = 0; i < shuffled.Length; i++) shuffled[i] = i;
        if (options.Shuffle) Shuffle(shuffled, PairStream);
        int taken = 0, left = 0;
        while (taken < shuffled.Length)
        {
            int more = Math.Min(poolPairs, shuffled.Length - taken);
            more = Math.Min(more, pool.Length - left);
            shuffled.AsSpan(taken, more).CopyTo(pool.AsSpan(left));
            taken += more;
            left = CutPool(left + more, last: taken == shuffled.Length);
        }

        if (options.Shuffle)
            Shuffle(CollectionsMarshal.AsSpan(batches), BatchStream);
    }

    /// <summary>Sizes of a batch of this epoch.</summary>
    public BatchShape Shape(int batch) => batches[batch].Shape;

    /// <summary>Labels that count in a batch of this epoch.</summary>
    public int TargetTokens(int batch) => batches[batch].TargetTokens;

    /// <summary>Indices of the pairs [sentences] in a batch of this epoch.</summary>
    public ReadOnlySpan<int> Pairs(int batch) =>
        order.AsSpan(batches[batch].Start, batches[batch].Count);

    /// <summary>Writes a batch of this epoch.</summary>
    public void Fill(int batch, Batch destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        Plan plan = batches[batch];
        destination.Resize(plan.Shape);
        destination.Sentences = plan.Count;
        destination.SourceTokens = plan.SourceTokens;
        destination.TargetTokens = plan.TargetTokens;
        destination.Source.Fill(dataset.Special.Pad);
        destination.SourceLengths.Fill(1);
        destination.Target.Fill(dataset.Special.Pad);
        destination.Labels.Fill(Batch.IgnoredLabel);
        int width = plan.Shape.SourceLength, targetWidth = plan.Shape.TargetLength;
        for (int row = 0; row < plan.Count; row++)
        {
            int pair = order[plan.Start + row];
            ReadOnlySpan<int> source = dataset.Source(pair), target = dataset.Target(pair);
            source.CopyTo(destination.Source[(row * width)..]);
            destination.SourceLengths[row] = source.Length;
            destination.Target[row * targetWidth] = dataset.Special.Bos;
            target.CopyTo(destination.Target[((row * targetWidth) + 1)..]);
            target.CopyTo(destination.Labels[(row * targetWidth)..]);
            destination.Labels[(row * targetWidth) + target.Length] = dataset.Special.Eos;
        }
    }

    /// <summary>Cuts the first <paramref name="count"/> pairs of the pool into full batches.
    /// </summary>
    /// <returns>Pairs left over, moved to the pool's start; none where it is the last pool.
    /// </returns>
    private int CutPool(int count, bool last)
    {
        for (int i = 0; i < count; i++) keys[i] = Key(pool[i], i);
        Array.Sort(keys, pool, 0, count);
        int start = 0;
        while (start < count)
        {
            int longer = Longer(pool[start]);
            int rows = options.Rows(longer), take = Math.Min(rows, count - start);
            if (take < rows && !last)
            {
                pool.AsSpan(start, take).CopyTo(pool);
                return take;
            }

            if (take < rows)
                rows = Math.Min(rows, BatchingOptions.RoundUp(take, options.RowMultiple));
            Place(pool.AsSpan(start, take), longer, rows);
            start += take;
        }

        return 0;
    }

    private void Place(ReadOnlySpan<int> pairs, int longer, int rows)
    {
        int source = 0, target = 0, sourceTokens = 0, targetTokens = 0;
        foreach (int pair in pairs)
        {
            source = Math.Max(source, dataset.Source(pair).Length);
            target = Math.Max(target, dataset.Target(pair).Length + 1);
            sourceTokens += dataset.Source(pair).Length;
            targetTokens += dataset.Target(pair).Length + 1;
        }

        BatchShape shape =
            new(rows, options.PadSide(source, longer), options.PadSide(target, longer));
        batches.Add(new(placed, pairs.Length, shape, sourceTokens, targetTokens));
        pairs.CopyTo(order.AsSpan(placed));
        placed += pairs.Length;
    }

    private int Longer(int pair) => options.PadLonger(
        Math.Max(dataset.Source(pair).Length, dataset.Target(pair).Length + 1),
        dataset.MaxPositions);

    /// <summary>Falling by longer side, source, target; then the order of the pool.</summary>
    private ulong Key(int pair, int position)
    {
        const ulong Largest = (1UL << 14) - 1;
        int longer = Longer(pair);
        ulong source = (ulong)options.PadSide(dataset.Source(pair).Length, longer);
        ulong target = (ulong)options.PadSide(dataset.Target(pair).Length + 1, longer);
        ulong lengths = (Math.Min((ulong)longer, Largest) << 28) |
            (Math.Min(source, Largest) << 14) | Math.Min(target, Largest);
        return (((1UL << 42) - 1 - lengths) << 22) | (uint)position;
    }

    private void Shuffle<T>(Span<T> items, uint stream)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            uint word = Philox.Word(seed, stream, (uint)Epoch, (ulong)i);
            int other = (int)(((ulong)word * (ulong)(i + 1)) >> 32);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }
}
