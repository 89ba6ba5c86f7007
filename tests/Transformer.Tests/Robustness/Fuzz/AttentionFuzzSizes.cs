using Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>One tensor of an attention call: its strides and what they need.</summary>
/// <param name="Strides">As passed; default where contiguous.</param>
/// <param name="Extent">Elements from the first to the last.</param>
internal readonly record struct AttentionFuzzTensor(AttentionStrides Strides, Int128 Extent);

/// <summary>Random sizes of an attention call, padded, packed or paged, and what follows from
/// them.</summary>
internal sealed class AttentionFuzzSizes
{
    public AttentionFuzzSizes(FuzzCall c)
    {
        int keyHeads = c.Size("Hkv", 1, 2), group = c.Size("group", 1, 3);
        Sizes = new(
            c.Size("B", 0, 2), unchecked(keyHeads * group), keyHeads, c.Size("Sq", 0, 9),
            c.Size("Skv", 0, c.OneIn(4) ? 70 : 17), c.Size("D", 1, 20), c.Size("Dv", 1, 20));
        AttentionSizes s = Sizes;
        bool paged = c.OneIn(6);
        if (c.OneIn(6)) QueryOffsets = Offsets(c, s.Batch, s.QueryLength);
        if (!paged && c.OneIn(6)) KeyOffsets = Offsets(c, s.Batch, s.KeyLength);
        if (paged || c.OneIn(3)) KeyLengths = Lengths(c);
        if (paged) Page(c);
        else if (c.Wrong()) PageSize = c.Size("page", 16, 16);
        (int Outer, int Rows) queries =
            QueryOffsets is { } q ? (1, q[^1]) : (s.Batch, s.QueryLength);
        (int Outer, int Rows) keys = paged ? (PageCount, PageSize)
            : KeyOffsets is { } k ? (1, k[^1]) : (s.Batch, s.KeyLength);
        bool rowsFirst = QueryOffsets is not null, keysFirst = paged || KeyOffsets is not null;
        Query = Tensor(c, "query", queries, s.QueryHeads, s.HeadDimension, rowsFirst);
        Key = Tensor(c, "key", keys, s.KeyValueHeads, s.HeadDimension, keysFirst);
        Value = Tensor(c, "value", keys, s.KeyValueHeads, s.ValueDimension, keysFirst);
        Output = Tensor(c, "output", queries, s.QueryHeads, s.ValueDimension, rowsFirst);
        Rows = (Int128)queries.Outer * queries.Rows * s.QueryHeads;
    }

    public AttentionSizes Sizes { get; }

    public AttentionFuzzTensor Query { get; }

    public AttentionFuzzTensor Key { get; }

    public AttentionFuzzTensor Value { get; }

    public AttentionFuzzTensor Output { get; }

    /// <summary>Log-sum-exps.</summary>
    public Int128 Rows { get; }

    public Int128 Scores =>
        (Int128)Sizes.Batch * Sizes.QueryHeads * Sizes.QueryLength * Sizes.KeyLength;

    public int[]? QueryOffsets { get; }

    public int[]? KeyOffsets { get; }

    public int[]? KeyLengths { get; }

    public int[]? BlockTable { get; private set; }

    public int PageSize { get; private set; }

    public int PageCount { get; private set; }

    private static int[] Offsets(FuzzCall c, int batch, int longest)
    {
        int[] offsets = new int[Math.Clamp(batch, 0, 1000) + 1];
        for (int b = 1; b < offsets.Length; b++)
            offsets[b] = offsets[b - 1] + c.Below(Math.Clamp(longest, 0, 100) + 1);
        return offsets;
    }

    private int[] Lengths(FuzzCall c)
    {
        int[] lengths = new int[Math.Clamp(Sizes.Batch, 0, 1000)];
        for (int b = 0; b < lengths.Length; b++)
        {
            int most = KeyOffsets is { } k ? k[b + 1] - k[b] : Math.Clamp(Sizes.KeyLength, 0, 100);
            lengths[b] = c.Below(most + 1);
        }

        return lengths;
    }

    /// <summary>Each block has a page of its own.</summary>
    private void Page(FuzzCall c)
    {
        PageSize = c.Size("page", 1, 2);
        PageSize = PageSize is 1 or 2 ? PageSize * 16 : PageSize;
        long length = Math.Clamp(Sizes.KeyLength, 0, 1000);
        int size = PageSize == 32 ? 32 : 16;
        int blocks = (int)((length + size - 1) / size) + c.Below(2);
        BlockTable = new int[Math.Clamp(Sizes.Batch, 0, 1000) * blocks];
        PageCount = c.Wrong() ? c.Of(0, -1, int.MaxValue, 1) : BlockTable.Length + 1 + c.Below(2);
        int first = c.Below(2);
        for (int i = 0; i < BlockTable.Length; i++)
            BlockTable[i] = (i + first) % Math.Max(1, PageCount);
        c.Note("pages", PageCount);
    }

    private static AttentionFuzzTensor Tensor(
        FuzzCall c, string name, (int Outer, int Rows) extent, int heads, int dimension,
        bool rowsFirst)
    {
        AttentionStrides strides = Strides(c, name, extent.Rows, heads, dimension);
        AttentionStrides s = strides != default ? strides : rowsFirst
            ? AttentionStrides.SequenceMajor(heads, extent.Rows, dimension)
            : AttentionStrides.HeadMajor(heads, extent.Rows, dimension);
        return new(strides, extent.Outer <= 0 || heads <= 0 || extent.Rows <= 0 ? 0
            : dimension + ((Int128)(extent.Outer - 1) * s.Batch) +
                ((Int128)(heads - 1) * s.Head) + ((Int128)(extent.Rows - 1) * s.Sequence));
    }

    private static AttentionStrides Strides(
        FuzzCall c, string name, int length, int heads, int dimension)
    {
        AttentionStrides right = c.Below(4) switch
        {
            0 => AttentionStrides.SequenceMajor(heads, length, dimension),
            1 => AttentionStrides.SequenceMajor(
                heads, length, dimension, ((long)heads * dimension) + 3),
            _ => default,
        };
        if (right == default && !c.Wrong()) return default;
        c.Note(name, "strides");
        AttentionStrides strides = new(c.Stride("batch", right.Batch),
            c.Stride("head", right.Head), c.Stride("sequence", right.Sequence));
        // Reading may broadcast: millions of rows in a few elements would only take long.
        bool many = heads > 1000 || length > 1000;
        return many && (strides.Head == 0 || strides.Sequence == 0) ? default : strides;
    }
}
