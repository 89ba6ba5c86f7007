using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Robustness;
using Transformer.Tests.Support;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>Rows in pages: where they go, and which tables are refused.</summary>
public sealed class KvCacheAppendPagedTests : KernelTest
{
    public static TheoryData<string> Backends => ["simd", "reference"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void Rows_GoToTheSequencesPages(string name)
    {
        // Sequence 0 holds 15 rows and gets rows 15 and 16, the second in its next page; sequence
        // 1 holds none. Entries that no new row goes to may hold anything.
        TestBuffer cache = Zeros(4 * 16, DType.Float32);
        BackendRegistry.Find(name).Run(Call(cache) with
        {
            BlockTable = Ints(3, 1, -7, 0, 99, int.MinValue),
        });
        double[] expected = new double[4 * 16];
        (expected[(3 * 16) + 15], expected[16]) = (1, 2);
        (expected[0], expected[1]) = (3, 4);
        Assert.Equal(expected, cache.Values);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Pages_ThatCannotBeRight_AreRefusedBeforeAnyWrite(string name)
    {
        TestBuffer cache = Output(4 * 16, DType.Float32);
        void Refuses(string start, params int[] table) => CallRefusal.Require(
            Call(cache) with { BlockTable = Ints(table) }, start, BackendRegistry.Find(name));

        Refuses("KvCacheAppend: 'blockTable[0, 1]' is -1; expected a page from 0 to 3. Give " +
            "the sequence a page for each block of its rows.", 3, -1, 2, 0, 2, 2);
        Refuses("KvCacheAppend: 'blockTable[1, 0]' is 4; expected a page from 0 to 3. ",
            3, 1, 2, 4, 2, 2);
        Refuses("KvCacheAppend: 'blockTable[0, 0]' is -2147483648; ", int.MinValue, 1, 2, 4, 2, 2);
        Refuses("KvCacheAppend: 'blockTable[1, 0]' is 1, a page that another block writes to; " +
            "expected a page of its own. Copy ", 3, 1, 2, 1, 2, 2);
        Refuses("KvCacheAppend: 'blockTable[0, 1]' is 3, a page that ", 3, 3, 2, 1, 2, 2);
        CallRefusal.Require(Call(cache) with { Positions = Ints(0, 47) },
            "KvCacheAppend: 'positions[1]' is 47; expected 0 to 46, so that 2 new rows fit the " +
            "cache of 48. Use a larger cache ", BackendRegistry.Find(name));
        Assert.All(cache.Values, x => Assert.True(double.IsNaN(x)));
    }

    [Fact]
    public void Sizes_ThatCannotBeRight_AreRefused()
    {
        KvCacheAppendForward call = Call(Zeros(4 * 16, DType.Float32));
        foreach (int size in (int[])[-16, 1, 8, 24])
        {
            Refuses(call with { PageSize = size },
                $"KvCacheAppend: 'PageSize' is {size}; expected a multiple of 16. Use ");
        }

        Refuses(call with { PageSize = 0 }, "KvCacheAppend: 'PageSize' is 0; expected a multiple");
        Refuses(call with { Capacity = 48 },
            "KvCacheAppend: 'Capacity' is 48 with a block table; expected 0. The capacity is ");
        Refuses(call with { MaximumBlocks = 0 },
            "KvCacheAppend: 'MaximumBlocks' is 0; expected 1 ");
        Refuses(call with { MaximumBlocks = 2 },
            "KvCacheAppend: 'blockTable' has 6 elements; expected 4 for shape [2, 2]. ");
        Refuses(call with { BlockTable = default },
            "KvCacheAppend: 'blockTable' has no buffer; expected 6 for shape [2, 3]. ");
        Refuses(call with { BlockTable = Longs(0, 0, 0, 0, 0, 0) },
            "KvCacheAppend: 'blockTable' is Int64; expected Int32. ");
        Refuses(call with { PageCount = 5 },
            "KvCacheAppend: 'cache' has 64 elements; expected 80 for shape [5, 16, 1]. ");
        Refuses(call with { PageCount = -1 },
            "KvCacheAppend: 'PageCount' is -1; expected 0 or more. ");
        Refuses(call with { Cache = new(call.BlockTable.Address, 64, DType.Float32) },
            "KvCacheAppend: 'cache' overlaps 'blockTable'. ");
    }

    private KvCacheAppendForward Call(TestBuffer cache) => new()
    {
        Source = Real([1, 2, 3, 4], DType.Float32),
        Positions = Ints(15, 0),
        Cache = cache,
        Batch = 2,
        NewLength = 2,
        Width = 1,
        BlockTable = Ints(3, 1, 2, 0, 2, 2),
        MaximumBlocks = 3,
        PageSize = 16,
        PageCount = 4,
    };

    private static void Refuses(KvCacheAppendForward call, string start) =>
        CallRefusal.Require(call, start);
}
