using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Tests.KvCacheAppend;

public class KvCacheAppendReferenceTests : KernelTest
{
    [Fact]
    public void Forward_WritesOnlyTheNewRows()
    {
        // Two sequences, room for three rows of two elements; the first holds one row, the second
        // none. Source rows are three elements apart: the third is not part of them.
        TestBuffer cache = Real([-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12]);
        Reference.Run(new KvCacheAppendForward
        {
            Source = Real([1, 2, 99, 3, 4, 99, 5, 6, 99, 7, 8]),
            Positions = Ints(1, 0),
            Cache = cache,
            Batch = 2,
            NewLength = 2,
            Capacity = 3,
            Width = 2,
            SourceRowStride = 3,
        });
        Assert.Equal([-1, -2, 1, 2, 3, 4, 5, 6, 7, 8, -11.0, -12], cache.Values);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void Forward_RejectsOverflow(int position)
    {
        TestBuffer cache = Real([1, 2, 3]);
        Rejects(
            new KvCacheAppendForward
            {
                Source = Real([7, 8]),
                Positions = Ints(position),
                Cache = cache,
                Batch = 1,
                NewLength = 2,
                Capacity = 3,
                Width = 1,
            },
            $"KvCacheAppend: 'positions[0]' is {position}; expected 0 to 1, so that 2 new rows " +
            "fit the cache of 3. Use a larger cache or a shorter sequence.");
        Assert.Equal([1.0, 2, 3], cache.Values);
    }

    [Fact]
    public void Forward_RejectsWrongArguments()
    {
        KvCacheAppendForward call = new()
        {
            Source = Real([7, 8]),
            Positions = Ints(0),
            Cache = Real([1, 2, 3]),
            Batch = 1,
            NewLength = 2,
            Capacity = 3,
            Width = 1,
        };
        Rejects(call with { NewLength = 0 },
            "KvCacheAppend: 'NewLength' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(call with { NewLength = 3 },
            "KvCacheAppend: 'source' has 2 elements; expected at least 3 for [1, 3, 1]. Pass a " +
            "larger buffer or smaller strides.");
        Rejects(call with { Positions = Longs(0) },
            "KvCacheAppend: 'positions' is Int64; expected Int32. Convert it first.");
        Rejects(call with { Capacity = 4 },
            "KvCacheAppend: 'cache' has 3 elements; expected 4 for shape [1, 4, 1]. Pass a " +
            "buffer of that size.");
        Rejects(call with { SourceRowStride = -1 },
            "KvCacheAppend: 'SourceRowStride' is -1; expected at least Width 1, or 0 for " +
            "contiguous rows. Count it in elements.");
    }
}
