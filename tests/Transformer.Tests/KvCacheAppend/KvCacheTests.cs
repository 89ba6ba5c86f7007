using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>A contiguous cache.</summary>
public sealed class KvCacheTests
{
    private static readonly KvCacheShape Shape = new(2, 40, 2, 16, 8);

    public static TheoryData<string> Backends => ["simd", "reference"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void Attend_IsAttentionOverTheConcatenation_BitForBit(string name)
    {
        using KvCache cache = new(Shape, BackendRegistry.Find(name));
        KvCacheHistory history = new(cache);
        history.Append(17);
        history.RequireAttention(4, 17, default);
        for (int step = 0; step < 4; step++)
        {
            history.Append(1);
            history.RequireAttention(4, 1, default);
        }

        // Lengths differ from here on.
        history.Truncate(1, 9);
        history.Append(3);
        Assert.Equal([24, 12], cache.Lengths.ToArray());
        history.RequireAttention(2, 3, new() { Window = new(7, -1), Scale = 0.3 });
        history.RequireAttention(6, 2, new() { SoftCap = 4 });
        history.RequireRows();
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Attend_OverPages_IsAttendOverRows_BitForBit(DType dtype)
    {
        using KvPagePool pool = new(new(20, 32, 2, 16, 8, dtype));
        using KvCache rows = new(Shape with { Capacity = 150, DType = dtype });
        using KvCache pages = new(pool, 2, 150);
        foreach (int count in (int[])[70, 1, 1, 40, 2])
        {
            float[] key = [.. Numbers.Normal(count, 2 * count * 32).Select(x => (float)x)];
            float[] value = [.. Numbers.Normal(-count, 2 * count * 16).Select(x => (float)x)];
            rows.Append<float>(key, value, count);
            pages.Append<float>(key, value, count);
            if (dtype == DType.Float32) RequireSame<float>(rows, pages, count, x => (float)x);
            else if (dtype == DType.Float16) RequireSame<Half>(rows, pages, count, x => (Half)x);
            else RequireSame<BFloat16>(rows, pages, count, x => (BFloat16)x);
            rows.Truncate(1, rows.Lengths[1] / 2);
            pages.Truncate(1, pages.Lengths[1] / 2);
        }
    }

    [Fact]
    public void Attend_WithoutRows_GivesZeros()
    {
        using KvPagePool pool = new(new(2, 16, 2, 16, 8));
        using KvCache cache = new(Shape), paged = new(pool, 2, 16);
        foreach (KvCache one in new[] { cache, paged })
        {
            float[] output = [.. Enumerable.Repeat(float.NaN, 2 * 2 * 3 * 8)];
            one.Attend<float>(new float[2 * 2 * 3 * 16], 2, 3, default, output);
            Assert.All(output, x => Assert.Equal(0, x));
        }
    }

    [Fact]
    public void Attend_TakesStridedQueriesAndOutputs()
    {
        using KvCache cache = new(Shape);
        new KvCacheHistory(cache).Append(5);
        float[] rows = [.. Numbers.Normal(3, 2 * 3 * 4 * 16).Select(x => (float)x)];
        float[] heads = new float[rows.Length], expected = new float[2 * 4 * 3 * 8];
        float[] output = new float[expected.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            int d = i % 16, h = i / 16 % 4, s = i / 64 % 3, b = i / 192;
            heads[(((((b * 4) + h) * 3) + s) * 16) + d] = rows[i];
        }

        cache.Attend<float>(heads, 4, 3, default, expected);
        cache.Attend<float>(rows, 4, 3, default, output,
            queryStrides: AttentionStrides.SequenceMajor(4, 3, 16),
            outputStrides: AttentionStrides.SequenceMajor(4, 3, 8));
        for (int i = 0; i < output.Length; i++)
        {
            int d = i % 8, h = i / 8 % 4, s = i / 32 % 3, b = i / 96;
            Assert.Equal(expected[(((((b * 4) + h) * 3) + s) * 8) + d], output[i]);
        }
    }

    [Fact]
    public void Append_RotatesKeysAtTheirPosition_AndTakesPackedRows()
    {
        const int heads = 2, dimension = 16, width = heads * dimension, packed = 3 * width;
        float[] cosines = new float[40 * 8], sines = new float[40 * 8];
        RotaryTable.Fill(cosines, sines, 40, dimension);
        RotaryTableSpans tables = new() { Cosines = cosines, Sines = sines, MaxPositions = 40 };
        using KvCache cache = new(new(1, 40, heads, dimension));
        float[] rows = [.. Numbers.Normal(4, 6 * packed).Select(x => (float)x)];
        cache.Append<float>(rows.AsSpan(width), rows.AsSpan(2 * width), 4, tables, packed, packed);
        cache.Append<float>(rows.AsSpan((4 * packed) + width),
            rows.AsSpan((4 * packed) + (2 * width)), 2, tables, packed, packed);

        AttentionStrides strides = AttentionStrides.SequenceMajor(heads, 6, dimension, packed);
        AttentionStrides dense = AttentionStrides.SequenceMajor(heads, 6, dimension);
        float[] expected = new float[6 * width];
        Kernels.RotaryEmbedding.Forward(rows.AsSpan(width), tables, new RotaryExtras
        {
            InputStrides = strides, OutputStrides = dense,
        }, new(1, heads, 6, dimension), expected);
        Assert.Equal(expected, cache.Keys.AsSpan<float>()[..(6 * width)].ToArray());
        Assert.Equal(rows[((5 * packed) + (2 * width))..],
            cache.Values.AsSpan<float>().Slice(5 * width, width).ToArray());
    }

    [Fact]
    public void Append_ToSixteenBits_RoundsToTheNearest()
    {
        float[] rows = [.. Numbers.Normal(5, 3 * 32).Select(x => (float)x)];
        using KvCache half = new(new(1, 4, 2, 16, DType: DType.Float16));
        using KvCache brain = new(new(1, 4, 2, 16, DType: DType.BFloat16));
        half.Append<float>(rows, rows, 3);
        brain.Append<float>(rows, rows, 3);
        brain.Append<BFloat16>(new BFloat16[32], new BFloat16[32], 1);

        Assert.Equal(rows.Select(x => (Half)x), half.Keys.AsSpan<Half>()[..96].ToArray());
        Assert.Equal(rows.Select(x => ((BFloat16)x).Bits),
            brain.Values.AsSpan<BFloat16>()[..96].ToArray().Select(x => x.Bits));
        Assert.Equal([4], brain.Lengths.ToArray());
    }

    [Fact]
    public void Overflow_LeavesTheCacheAsItWas()
    {
        using KvCache cache = new(Shape);
        KvCacheHistory history = new(cache);
        history.Append(38);
        history.Truncate(0, 10);
        Refused(() => history.Append(3), "KvCache: sequence 1 holds 38 rows and gets 3 more; " +
            "expected at most 40 in all. Make a cache of larger capacity, or truncate the " +
            "sequence.");
        Refused(() => cache.Append<float>(new float[2 * 32], new float[2 * 15], 1),
            "KvCacheAppend: 'source' has 30 elements; expected at least 32 for [2, 1, 16]. ");
        Refused(() => cache.Append<float>(new float[64], new float[32], 1, new RotaryTableSpans
        {
            Cosines = new float[80], Sines = new float[80], MaxPositions = 10,
        }), "KvCacheAppend: 'positions[0]' is 10; expected 0 to 9, so that 1 new rows fit rotary ");
        Refused(() => cache.Append<float>([], [], 0), "KvCache: 'newLength' is 0; expected 1 or ");
        Assert.Throws<NotSupportedException>(
            () => cache.Append<double>(new double[64], new double[32], 1));
        history.RequireRows();
        history.Append(2);
        history.RequireRows();
    }

    [Fact]
    public void Truncate_DropsRows_AndResetAllOfThem()
    {
        using KvCache cache = new(Shape);
        KvCacheHistory history = new(cache);
        history.Append(8);
        history.Truncate(1, 3);
        cache.Truncate(5);
        Assert.Equal([5, 3], cache.Lengths.ToArray());
        Assert.Equal([5, 3], cache.KeyLengths.AsSpan<int>().ToArray());
        Assert.Equal(5, cache.LongestLength);
        Refused(() => cache.Truncate(1, 4),
            "KvCache: 'length' is 4; expected 0 to 3, the rows of sequence 1. Truncate ");
        Refused(() => cache.Truncate(1, -1), "KvCache: 'length' is -1; expected 0 to 3");
        Refused(() => cache.Truncate(2, 0), "KvCache: 'sequence' is 2; expected 0 to 1. Pass ");
        Refused(() => cache.Truncate(-1), "KvCache: 'length' is -1; expected 0 or more. Pass ");
        cache.Reset();
        Assert.Equal([0, 0], cache.Lengths.ToArray());
    }

    [Fact]
    public void Shapes_ThatCannotBeRight_AreRefused()
    {
        Refused(() => _ = new KvCache(Shape with { Batch = 0 }),
            "KvCache: 'Batch' is 0; expected ");
        Refused(() => _ = new KvCache(Shape with { Capacity = -1 }), "KvCache: 'Capacity' is -1; ");
        Refused(() => _ = new KvCache(Shape with { KeyValueHeads = 0 }),
            "KvCache: 'KeyValueHeads' is 0; expected 1 or more. ");
        Refused(() => _ = new KvCache(Shape with { HeadDimension = int.MaxValue }),
            "KvCache: a row has 4294967294 elements; expected at most 2147483647. Use ");
        Refused(() => _ = new KvCache(Shape with { DType = DType.Int32 }),
            "KvCache: 'DType' is Int32; expected Float32, Float16 or BFloat16. Choose ");
        using KvCache cache = new(Shape);
        Refused(() => cache.Attend<float>(new float[64], 2, 1,
            new() { Causal = CausalAlignment.TopLeft }, new float[32]),
            "KvCache: 'Causal' is TopLeft; expected BottomRight, which is also the default here. ");
        Refused(() => cache.Attend<float>(new float[96], 3, 1, default, new float[48]),
            "FusedAttention: 'key' has 2 heads; 'query' has 3, ");
    }

    [Fact]
    public void Dispose_ReturnsTheMemory_Once()
    {
        KvCache cache = new(Shape);
        cache.Dispose();
        cache.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cache.Keys);
        Assert.Throws<ObjectDisposedException>(() => cache.Reset());
        Assert.Throws<ObjectDisposedException>(
            () => cache.Append<float>(new float[64], new float[32], 1));
    }

    [Fact]
    public void AppendAndAttend_AllocateNothing()
    {
        using KvCache cache = new(Shape);
        using KvPagePool pool = new(new(8, 16, 2, 16, 8));
        using KvCache paged = new(pool, 2, 40);
        float[] key = new float[2 * 32], value = new float[2 * 16];
        float[] query = new float[2 * 4 * 16], output = new float[2 * 4 * 8];
        void Work()
        {
            foreach (KvCache one in (ReadOnlySpan<KvCache>)[cache, paged])
            {
                if (one.LongestLength == one.Shape.Capacity) one.Reset();
                one.Append<float>(key, value, 1);
                one.Attend<float>(query, 4, 1, default, output);
            }
        }

        Assert.Equal(0, ManagedAllocations.Least(Work, warmUp: 100, runs: 100));
    }

    private static void RequireSame<T>(
        KvCache rows, KvCache pages, int queries, Func<double, T> convert) where T : unmanaged
    {
        T[] query = [.. Numbers.Normal(queries, 2 * 4 * queries * 16).Select(convert)];
        T[] expected = new T[2 * 4 * queries * 8], actual = new T[expected.Length];
        float[] sums = new float[2 * 4 * queries], actualSums = new float[sums.Length];
        rows.Attend<T>(query, 4, queries, default, expected, sums);
        pages.Attend<T>(query, 4, queries, default, actual, actualSums);
        Assert.Equal(expected, actual);
        Assert.Equal(sums, actualSums);
        Assert.Contains(actualSums, x => x != 0);
    }

    [Fact]
    public void NewRowsInTheCacheItself_AreRefused()
    {
        using KvCache cache = new(new(1, 4, 1, 2));
        Refused(() => cache.Append<float>([1, 2], cache.Keys.AsSpan<float>()[..2], 1),
            "KvCache: 'Keys' overlaps 'value'. Pass separate buffers.");
        Refused(() => cache.Append<float>(cache.Values.AsSpan<float>()[..2], [1, 2], 1),
            "KvCache: 'Values' overlaps 'key'. Pass separate buffers.");
        Assert.Equal(0, cache.Lengths[0]);
        Assert.All(cache.Keys.AsSpan<float>().ToArray(), value => Assert.Equal(0, value));
    }

    private static void Refused(Action action, string start)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(action);
        Assert.StartsWith(start, error.Message, StringComparison.Ordinal);
    }
}
