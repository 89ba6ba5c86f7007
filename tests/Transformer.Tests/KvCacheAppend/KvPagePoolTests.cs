using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>Paged caches and their pool.</summary>
public sealed class KvPagePoolTests
{
    private static readonly KvPageShape Shape = new(12, 16, 2, 8, 4);

    [Fact]
    public void Pages_AreTakenAsRowsCome_AndReleasedAsTheyGo()
    {
        using KvPagePool pool = new(Shape);
        using KvCache cache = new(pool, 2, 50);
        KvCacheHistory history = new(cache);
        Assert.Equal(64, cache.Shape.Capacity);
        Assert.Equal(12, pool.FreePages);
        history.Append(16);
        Assert.Equal(10, pool.FreePages);
        history.Append(1);
        Assert.Equal(8, pool.FreePages);
        history.Append(30);
        history.RequireRows();
        Assert.Equal(6, pool.FreePages);
        Assert.Equal([.. cache.Pages(1), -1], cache.BlockTable.AsSpan<int>()[4..].ToArray());
        history.Truncate(0, 16);
        Assert.Equal(8, pool.FreePages);
        history.Append(2);
        history.RequireRows();
        cache.Reset();
        Assert.Equal(12, pool.FreePages);
        Assert.All(cache.BlockTable.AsSpan<int>().ToArray(), page => Assert.Equal(-1, page));
    }

    [Fact]
    public void Exhaustion_LeavesCacheAndPoolAsTheyWere()
    {
        using KvPagePool pool = new(Shape with { PageCount = 5 });
        using KvCache cache = new(pool, 2, 64);
        KvCacheHistory history = new(cache);
        history.Append(20);
        int[] table = cache.BlockTable.AsSpan<int>().ToArray();
        Refused(() => history.Append(13), "KvCache: 13 new rows for each of 2 sequences need 2 " +
            "pages; the pool has 1 free ones of 5. Truncate or dispose caches, or make a larger ");
        Refused(() => cache.Append<float>(new float[2 * 44 * 16], new float[2 * 44 * 8], 45),
            "KvCache: sequence 0 holds 20 rows and gets 45 more; expected at most 64 in all. ");
        // The kernel refuses after the pages were taken.
        history.Truncate(0, 3);
        Assert.Throws<NotSupportedException>(
            () => cache.Append<double>(new double[2 * 14 * 16], new double[2 * 14 * 8], 14));
        Assert.Equal(2, pool.FreePages);
        Assert.Equal(table[4..], cache.BlockTable.AsSpan<int>()[4..].ToArray());
        history.RequireRows();
    }

    [Fact]
    public void PageReleasedBySomebodyElse_IsPassedOverAtTheEnd()
    {
        using KvPagePool pool = new(Shape);
        KvCache cache = new(pool, 2, 50);
        new KvCacheHistory(cache).Append(40);
        Assert.Equal(6, pool.FreePages);
        pool.Release(cache.Pages(0)[1]);
        cache.Dispose();
        Assert.Equal(12, pool.FreePages);
        Assert.All(Enumerable.Range(0, 12), page => Assert.Equal(0, pool.References(page)));
        cache.Dispose();
    }

    [Fact]
    public void UseAfterDispose_NamesTheOwnerAndARemedy()
    {
        KvPagePool pool = new(Shape);
        KvCache cache = new(pool, 2, 50);
        new KvCacheHistory(cache).Append(3);
        cache.Dispose();
        string closed = "KvCache: the cache was disposed. Make a new one, or dispose this one " +
            "after its last use.";
        Disposed(() => _ = cache.Keys, closed);
        Disposed(() => _ = cache.Values, closed);
        Disposed(() => _ = cache.KeyLengths, closed);
        Disposed(() => _ = cache.BlockTable, closed);
        Disposed(() => _ = cache.Pages(0), closed);
        Disposed(() => cache.Reset(), closed);
        Disposed(() => cache.Truncate(0, 1), closed);
        Disposed(() => cache.Append<float>(new float[32], new float[16], 1), closed);
        pool.Dispose();
        closed = "KvPagePool: the pool was disposed. Make a new one, or dispose this one after " +
            "its caches.";
        Disposed(() => _ = pool.Keys, closed);
        Disposed(() => _ = pool.Values, closed);
        Disposed(() => pool.TryTake(new int[1]), closed);
        Disposed(() => pool.Share(0), closed);
        Disposed(() => pool.Release(0), closed);
        static void Disposed(Action use, string message) =>
            Assert.Equal(message, Assert.Throws<ObjectDisposedException>(use).Message);
    }

    [Fact]
    public void FailedAllocation_ReleasesWhatWasThere()
    {
        for (int most = 0; most < 3; most++)
        {
            FewBlocks memory = new(most);
            FewBlocksBackend backend = new(memory);
            Assert.Throws<InsufficientMemoryException>(() => new KvCache(new(2, 8, 2, 8), backend));
            Assert.Equal(0, memory.Open);
        }

        for (int most = 0; most < 2; most++)
        {
            FewBlocks memory = new(most);
            FewBlocksBackend backend = new(memory);
            Assert.Throws<InsufficientMemoryException>(() => new KvPagePool(Shape, backend));
            Assert.Equal(0, memory.Open);
        }

        for (int most = 2; most < 4; most++)
        {
            FewBlocks memory = new(most);
            KvPagePool pool = new(Shape, new FewBlocksBackend(memory));
            Assert.Throws<InsufficientMemoryException>(() => new KvCache(pool, 2, 50));
            Assert.Equal(2, memory.Open);
            pool.Dispose();
            Assert.Equal(0, memory.Open);
        }
    }

    [Fact]
    public void Prefixes_AreSharedWithoutACopy_AndOwnedOnceWritten()
    {
        using KvPagePool pool = new(Shape);
        using KvCache prompt = new(pool, 1, 64), cache = new(pool, 3, 64);
        KvCacheHistory first = new(prompt), second = new(cache, seed: 2);
        first.Append(40);
        for (int b = 0; b < 3; b++)
        {
            Assert.Equal(32, cache.SharePrefix(b, prompt, 0, 37));
            second.Copy(b, first, 0, 32);
        }

        Assert.Equal(9, pool.FreePages);
        Assert.Equal(4, pool.References(prompt.Pages(0)[1]));
        Assert.Equal(prompt.Pages(0)[..2].ToArray(), cache.Pages(2).ToArray());
        second.RequireRows();

        // New rows go to pages of their own; a shared page that is cut is copied by whoever
        // writes to it, and the last holder keeps it.
        second.Append(1);
        Assert.Equal(6, pool.FreePages);
        for (int b = 0; b < 3; b++) second.Truncate(b, 20);
        prompt.Dispose();
        Assert.Equal(10, pool.FreePages);
        Assert.Equal(3, pool.References(cache.Pages(0)[1]));
        second.Append(2);
        second.RequireRows();
        Assert.Equal(8, pool.FreePages);
        Assert.Equal(3, new[] { 0, 1, 2 }.Select(b => cache.Pages(b)[1]).Distinct().Count());
        Assert.Equal(3, pool.References(cache.Pages(1)[0]));
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Attend_IsAttentionOverTheConcatenation_BitForBit(string name)
    {
        using KvPagePool pool = new(Shape, BackendRegistry.Find(name));
        using KvCache prompt = new(pool, 1, 64), cache = new(pool, 2, 64);
        KvCacheHistory first = new(prompt), second = new(cache, seed: 2);
        first.Append(35);
        first.RequireAttention(4, 35, default);
        second.Append(16);
        second.Truncate(1, 0);
        second.Copy(1, first, 0, cache.SharePrefix(1, prompt, 0, 35));
        second.Append(5);
        second.RequireAttention(6, 5, new() { Window = new(20, -1) });
        second.Append(1);
        second.RequireAttention(2, 1, new() { SoftCap = 5 });
    }

    [Fact]
    public void Prefix_OfTheSameCache_LeavesTheSourceAlone()
    {
        using KvPagePool pool = new(Shape);
        using KvCache cache = new(pool, 2, 64);
        KvCacheHistory history = new(cache);
        history.Append(33);
        history.Truncate(1, 0);
        Assert.Equal(32, cache.SharePrefix(1, cache, 0, 33));
        history.Copy(1, history, 0, 32);
        history.Truncate(0, 17);
        history.Append(15);
        history.RequireRows();
    }

    [Fact]
    public void Prefixes_ThatCannotBeShared_AreRefused()
    {
        using KvPagePool pool = new(Shape), other = new(Shape);
        using KvCache cache = new(pool, 2, 32), source = new(pool, 1, 64);
        using KvCache foreign = new(other, 1, 64), contiguous = new(new(1, 64, 2, 8, 4));
        new KvCacheHistory(source).Append(40);
        Refused(() => cache.SharePrefix(0, foreign, 0, 0), "KvCache: a prefix is shared between " +
            "caches of one KvPagePool; this one has another. Make ");
        Refused(() => contiguous.SharePrefix(0, contiguous, 0, 0),
            "KvCache: a prefix is shared between caches of one KvPagePool; this one has no pool. ");
        Refused(() => cache.SharePrefix(2, source, 0, 16), "KvCache: 'sequence' is 2; expected ");
        Refused(() => cache.SharePrefix(0, source, 1, 16), "KvCache: 'sourceSequence' is 1; ");
        Refused(() => cache.SharePrefix(0, source, 0, 33), "KvCache: 'rows' is 33; expected 0 to " +
            "32, which sequence 0 has and sequence 0 can hold. ");
        Refused(() => cache.SharePrefix(0, source, 0, -1), "KvCache: 'rows' is -1; expected 0 to ");
        Assert.Equal(32, cache.SharePrefix(0, source, 0, 32));
        Refused(() => cache.SharePrefix(0, source, 0, 16),
            "KvCache: sequence 0 holds 32 rows; expected none. Truncate ");
    }

    [Fact]
    public void Pool_CountsHolders()
    {
        using KvPagePool pool = new(Shape);
        int[] pages = new int[12];
        Assert.True(pool.TryTake(pages));
        Assert.Equal(Enumerable.Range(0, 12), pages.Order());
        Assert.False(pool.TryTake(new int[1]));
        Assert.True(pool.TryTake([]));
        pool.Share(3);
        pool.Release(3);
        Assert.Equal(0, pool.FreePages);
        pool.Release(3);
        Assert.Equal(1, pool.FreePages);
        Refused(() => pool.Release(3), "KvPagePool: page 3 is free; expected one that is held. ");
        Refused(() => pool.Share(3), "KvPagePool: page 3 is free; expected one that is held. ");
        Refused(() => pool.Release(12), "KvPagePool: page 12 does not exist; expected 0 to 11. ");
        Refused(() => pool.References(-1),
            "KvPagePool: page -1 does not exist; expected 0 to 11. ");
    }

    [Fact]
    public void Shapes_ThatCannotBeRight_AreRefused()
    {
        Refused(() => _ = new KvPagePool(Shape with { PageCount = 0 }),
            "KvPagePool: 'PageCount' is 0; expected 1 or more. ");
        Refused(() => _ = new KvPagePool(Shape with { PageSize = 24 }),
            "KvPagePool: 'PageSize' is 24; expected a multiple of 16. Use ");
        Refused(() => _ = new KvPagePool(Shape with { DType = DType.Float64 }),
            "KvPagePool: 'DType' is Float64; expected ");
        using KvPagePool pool = new(Shape);
        Refused(() => _ = new KvCache(pool, 0, 16), "KvCache: 'Batch' is 0; expected 1 or more. ");
        Refused(() => _ = new KvCache(pool, 1, 0),
            "KvCache: 'Capacity' is 0; expected 1 or more. ");
        Refused(() => _ = new KvCache(pool, 1 << 20, 1 << 20), "KvCache: a block table [1048576, ");
    }

    [Fact]
    public void CachesOfOnePool_OnManyThreads_KeepTheirRows()
    {
        using KvPagePool pool = new(Shape with { PageCount = 64 });
        Exception?[] failures = new Exception?[8];
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(index => new Thread(() =>
        {
            try
            {
                using KvCache cache = new(pool, 2, 64);
                for (int round = 0; round < 5; round++)
                {
                    KvCacheHistory history = new(cache, (index * 10) + round);
                    for (int i = 0; i < 4; i++) history.Append(5 + (3 * i));
                    history.RequireRows();
                    cache.Reset();
                }
            }
            catch (Exception exception)
            {
                failures[index] = exception;
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        Assert.All(failures, Assert.Null);
        Assert.Equal(64, pool.FreePages);
    }

    private static void Refused(Action action, string start)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(action);
        Assert.StartsWith(start, error.Message, StringComparison.Ordinal);
    }
}
