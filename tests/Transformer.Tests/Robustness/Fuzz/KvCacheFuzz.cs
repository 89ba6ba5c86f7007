using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>A cache with some history of right calls, then one random call: appending, attending,
/// truncating, sharing a prefix. A refused call leaves the cache as it was.</summary>
internal static class KvCacheFuzz
{
    private const int Calls = 3;

    public static void Call(FuzzCall c)
    {
        if (c.OneIn(4)) Call<BFloat16>(c, DType.BFloat16);
        else Call<float>(c, DType.Float32);
    }

    private static void Call<T>(FuzzCall c, DType dtype) where T : unmanaged
    {
        Sizes s = new(c);
        using KvPagePool? pool = !s.Paged ? null : new(new(
            s.Pages, s.PageSize, s.Heads, s.Dimension, s.ValueDimension, dtype),
            GuardedBackend.Instance);
        using KvCache cache = Make(s, pool, dtype);
        for (int i = c.Below(Calls + 1); i > 0; i--) Grow<T>(c, s, cache);
        int[] before = [.. cache.Lengths];
        try
        {
            switch (c.Below(4))
            {
                case 0: Append<T>(c, s, cache); break;
                case 1: Attend<T>(c, s, cache); break;
                case 2: Truncate(c, s, cache); break;
                default: Share<T>(c, s, cache, pool, dtype); break;
            }
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            if (cache.Lengths.SequenceEqual(before)) throw;
            throw new InvalidOperationException("a refused call changed the lengths", exception);
        }
    }

    private static KvCache Make(Sizes s, KvPagePool? pool, DType dtype) => pool is not null
        ? new(pool, s.Batch, s.Capacity)
        : new(new(s.Batch, s.Capacity, s.Heads, s.Dimension, s.ValueDimension, dtype),
            GuardedBackend.Instance);

    // One right call that a test of refusals needs no guards for.
    private static void Grow<T>(FuzzCall c, Sizes s, KvCache cache) where T : unmanaged
    {
        int added = 1 + c.Below(s.PageSize);
        if (cache.LongestLength + added > s.Capacity) return;
        cache.Append<T>(new T[s.Batch * added * s.Heads * s.Dimension],
            new T[s.Batch * added * s.Heads * s.ValueDimension], added);
        int sequence = c.Below(s.Batch);
        if (c.OneIn(2)) cache.Truncate(sequence, c.Below(cache.Lengths[sequence] + 1));
    }

    private static void Append<T>(FuzzCall c, Sizes s, KvCache cache) where T : unmanaged
    {
        int room = s.Capacity - cache.LongestLength;
        int added = room > 0 ? c.Size("new", 1, Math.Min(room, 6)) : c.Int("new", 1);
        // A full cache has to refuse whatever comes.
        if (room == 0 && !c.Wrong()) throw new FuzzCall.DryRunException();
        Int128 rows = (Int128)s.Batch * added;
        long width = (long)s.Heads * s.Dimension, valueWidth = (long)s.Heads * s.ValueDimension;
        long stride = c.OneIn(2) ? 0 : c.Stride("key stride", width + c.Below(3));
        bool rotates = c.OneIn(3) && s.Dimension % 2 == 0;
        ReadOnlySpan<T> key = c.In<T>("key",
            rows <= 0 ? 0 : ((rows - 1) * (stride == 0 ? width : stride)) + width);
        ReadOnlySpan<T> value = c.In<T>("value", rows * valueWidth);
        RotaryTableSpans tables = !rotates ? default : new()
        {
            Cosines = c.In("cosines", (Int128)s.Capacity * s.Dimension / 2),
            Sines = c.In("sines", (Int128)s.Capacity * s.Dimension / 2),
            MaxPositions = s.Capacity,
        };
        c.Backend();
        cache.Append(key, value, added, tables, stride);
    }

    private static void Attend<T>(FuzzCall c, Sizes s, KvCache cache) where T : unmanaged
    {
        int heads = unchecked(s.Heads * c.Size("group", 1, 3)), length = c.Size("Sq", 0, 5);
        Int128 rows = (Int128)s.Batch * heads * length;
        AttentionOptions options = AttentionFuzz.PlainOptions(c) with
        {
            Causal = c.Wrong() ? CausalAlignment.TopLeft : CausalAlignment.None,
            PastLength = 0,
            DropoutProbability = c.Wrong() ? 0.1 : 0,
            RelativeBuckets = c.Wrong() ? new(8, 40, false) : null,
        };
        ReadOnlySpan<T> query = c.In<T>("query", rows * s.Dimension);
        Span<T> output = c.Out<T>("output", rows * s.ValueDimension);
        Span<float> sums = c.OutOrNone("logSumExp", rows);
        c.Backend();
        cache.Attend(query, heads, length, options, output, sums);
    }

    private static void Truncate(FuzzCall c, Sizes s, KvCache cache)
    {
        int sequence = c.Size("sequence", 0, s.Batch - 1);
        bool exists = sequence >= 0 && sequence < s.Batch;
        int length = c.Size("length", 0, exists ? cache.Lengths[sequence] : 1);
        c.Backend();
        if (c.OneIn(3)) cache.Truncate(length);
        else cache.Truncate(sequence, length);
    }

    private static void Share<T>(
        FuzzCall c, Sizes s, KvCache cache, KvPagePool? pool, DType dtype) where T : unmanaged
    {
        // Only paged caches of one pool can share.
        if (pool is null && !c.Wrong()) throw new FuzzCall.DryRunException();
        using KvCache other = Make(s, pool, dtype);
        if (c.Wrong() && pool is not null && pool.FreePages >= s.Batch) Grow<T>(c, s, other);
        int sequence = c.Size("sequence", 0, s.Batch - 1);
        int source = c.Size("source", 0, s.Batch - 1);
        bool exists = source >= 0 && source < s.Batch;
        int rows = c.Size("rows", 0, exists ? cache.Lengths[source] : 1);
        c.Backend();
        other.SharePrefix(sequence, cache, source, rows);
    }

    private readonly struct Sizes
    {
        public Sizes(FuzzCall c)
        {
            Paged = c.OneIn(2);
            Batch = c.Note("B", 1 + c.Below(3));
            Heads = c.Note("Hkv", 1 + c.Below(2));
            Dimension = c.Note("D", 1 + c.Below(20));
            ValueDimension = c.Note("Dv", c.OneIn(2) ? Dimension : 1 + c.Below(20));
            PageSize = 16;
            Capacity = c.Note("capacity", Paged ? PageSize * (1 + c.Below(3)) : 1 + c.Below(40));
            // Enough for two caches.
            Pages = c.Note("pages", 2 * Batch * ((Capacity + PageSize - 1) / PageSize));
        }

        public bool Paged { get; }

        public int Batch { get; }

        public int Heads { get; }

        public int Dimension { get; }

        public int ValueDimension { get; }

        public int PageSize { get; }

        public int Capacity { get; }

        public int Pages { get; }
    }
}
