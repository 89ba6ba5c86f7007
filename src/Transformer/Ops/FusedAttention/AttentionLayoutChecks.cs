using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Checks of where sequences lie: packed, paged, block-masked, broadcast; and, for kernels on host
/// memory, of the integers that say so.
/// </summary>
internal static unsafe class AttentionLayoutChecks
{
    private const string Op = "FusedAttention";

    /// <summary>Sizes of offsets, lengths, block table and block mask.</summary>
    public static void Layout(in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        Int32OrAbsent("keyLengths", inputs.KeyLengths, s.Batch, $"[{s.Batch}]");
        Offsets("queryOffsets", inputs.QueryOffsets, s.Batch, "TotalQueries", inputs.TotalQueries);
        Offsets("keyOffsets", inputs.KeyOffsets, s.Batch, "TotalKeys", inputs.TotalKeys);
        if (inputs.KeysArePaged) Pages(inputs);
        else if (inputs.PageSize != 0 && s.Batch > 0 && s.KeyLength > 0)
        {
            // Without keys the table has no entries, and an empty span is the same as none.
            OpCheck.Throw(Op, $"'PageSize' is {inputs.PageSize} without 'blockTable'. Pass the " +
                "table, or 0 for keys that are not paged.");
        }

        if (inputs.BlockMask.IsPresent) BlockMask(inputs);
    }

    /// <summary>A mask or bias against its strides.</summary>
    public static void Broadcast(
        string argument, BufferView view, AttentionMaskLayout layout, AttentionSizes s)
    {
        if (view.IsAbsent || s.Batch == 0 || s.QueryLength == 0) return;
        if (layout.Batch < 0 || layout.Head < 0 || layout.Query < 0 || layout.KeyCount < 0 ||
            layout.KeyCount > s.KeyLength)
        {
            OpCheck.Throw(Op, $"'{argument}' has strides ({layout.Batch}, {layout.Head}, " +
                $"{layout.Query}, 1) and {layout.KeyCount} keys a row; expected strides of 0 or " +
                $"more and 0 to {s.KeyLength} keys. Use AttentionMaskLayout.FromShape.");
        }

        if (layout.KeyCount == 0) return;
        long needed = StridedCheck.Extent(new(layout.Batch, layout.Head, layout.Query),
            (s.Batch, s.QueryLength), s.QueryHeads, layout.KeyCount);
        OpCheck.AtLeast(Op, argument, view, needed, $"strides ({layout.Batch}, {layout.Head}, " +
            $"{layout.Query}, 1) and {layout.KeyCount} keys a row");
    }

    /// <summary>The integers behind the pointers; called by kernels on host memory before they
    /// write anything.</summary>
    /// <param name="inputs">A valid call's.</param>
    /// <param name="writesKeys">Pages are written, so that each may serve one block only.</param>
    public static void HostIntegers(in AttentionInputs inputs, bool writesKeys)
    {
        AttentionSizes s = inputs.Sizes;
        if (s.Batch == 0) return;
        CheckOffsets("queryOffsets", inputs.QueryOffsets, s.Batch, inputs.TotalQueries,
            s.QueryLength, "QueryLength");
        CheckOffsets("keyOffsets", inputs.KeyOffsets, s.Batch, inputs.TotalKeys, s.KeyLength,
            "KeyLength");
        int* lengths = inputs.KeyLengths.Pointer<int>();
        if (lengths == null) return;
        int* offsets = inputs.KeyOffsets.Pointer<int>();
        for (int b = 0; offsets != null && b < s.Batch; b++)
        {
            int own = offsets[b + 1] - offsets[b];
            if ((uint)lengths[b] <= (uint)own) continue;
            OpCheck.Throw(Op, $"'keyLengths[{b}]' is {lengths[b]}; expected 0 to {own}, the keys " +
                "of that sequence. Pass each sequence's number of keys.");
        }

        IdCheck.Lengths(Op, "keyLengths", lengths, s.Batch, s.KeyLength);
        if (inputs.KeysArePaged) CheckPages(inputs, lengths, writesKeys);
    }

    private static void Int32OrAbsent(
        string argument, BufferView view, int expected, in ShapeText shape)
    {
        OpCheck.ExactlyOrAbsent(Op, argument, view, expected, shape);
        OpCheck.IsInt32(Op, argument, view);
    }

    private static void Offsets(
        string argument, BufferView view, int batch, string total, int rows)
    {
        OpCheck.NotNegative(Op, total, rows);
        if (view.IsPresent)
        {
            OpCheck.Exactly(Op, argument, view, (long)batch + 1, $"[{(long)batch + 1}]");
            OpCheck.IsInt32(Op, argument, view);
        }
        else if (rows != 0)
        {
            OpCheck.Throw(Op, $"'{total}' is {rows} without '{argument}'. Pass the offsets of " +
                "the packed sequences, or 0 for sequences that are not packed.");
        }
    }

    private static void Pages(in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        OpCheck.IsInt32(Op, "blockTable", inputs.BlockTable);
        OpCheck.Positive(Op, "PageCount", inputs.PageCount);
        PageCheck.Size(Op, inputs.PageSize);
        if (inputs.KeysArePacked)
        {
            OpCheck.Throw(Op, "'blockTable' and 'keyOffsets' are both given; keys are either " +
                "paged or packed. Leave one out.");
        }

        if (inputs.KeyLengths.IsAbsent && s.Batch > 0)
        {
            OpCheck.Throw(Op, "'keyLengths' is absent; expected [B] with paged keys. Pass how " +
                "many keys each sequence has.");
        }

        long blocks = ((long)s.KeyLength + inputs.PageSize - 1) / inputs.PageSize;
        long length = inputs.BlockTable.Length;
        if (s.Batch > 0 && (length % s.Batch != 0 || length / s.Batch < blocks))
        {
            OpCheck.Throw(Op, $"'blockTable' has {length} elements; expected [{s.Batch}, " +
                $"{blocks} or more] for {s.KeyLength} keys in pages of {inputs.PageSize}. Give " +
                "every sequence the same number of entries.");
        }
    }

    private static void BlockMask(in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        AttentionBlockSize size = inputs.BlockSize;
        OpCheck.Positive(Op, "BlockSize.QueryBlock", size.QueryBlock);
        OpCheck.Positive(Op, "BlockSize.KeyBlock", size.KeyBlock);
        long heads = size.PerHead ? s.QueryHeads : 1;
        long rows = ((long)s.QueryLength + size.QueryBlock - 1) / size.QueryBlock;
        long columns = ((long)s.KeyLength + size.KeyBlock - 1) / size.KeyBlock;
        OpCheck.Exactly(Op, "blockMask", inputs.BlockMask, OpCheck.Count(heads, rows, columns),
            $"[{heads}, {rows}, {columns}]");
        if (inputs.BlockMask.DType != DType.Bool)
        {
            OpCheck.Throw(Op, $"'blockMask' is {inputs.BlockMask.DType}; expected Bool, true = " +
                "may attend. Convert it first.");
        }
    }

    private static void CheckOffsets(
        string argument, BufferView view, int batch, int total, int longest, string size)
    {
        int* offsets = view.Pointer<int>();
        if (offsets == null) return;
        for (int b = 0; b < batch; b++)
        {
            long length = (long)offsets[b + 1] - offsets[b];
            if (offsets[b] >= 0 && length >= 0 && length <= longest) continue;
            OpCheck.Throw(Op, $"'{argument}[{b}..{b + 1}]' is {offsets[b]}, {offsets[b + 1]}; " +
                $"expected offsets that rise by 0 to {longest} ({size}). Pass cumulative lengths.");
        }

        if (offsets[0] == 0 && offsets[batch] <= total) return;
        OpCheck.Throw(Op, $"'{argument}' runs from {offsets[0]} to {offsets[batch]}; expected " +
            $"from 0 to at most the {total} rows there are. Pass cumulative lengths.");
    }

    private static void CheckPages(in AttentionInputs inputs, int* lengths, bool writesKeys)
    {
        int batch = inputs.Sizes.Batch;
        int* table = inputs.BlockTable.Pointer<int>();
        long stride = inputs.BlockTable.Length / batch;
        using PageCheck check = new(Op, inputs.PageCount, writesKeys);
        for (int b = 0; b < batch; b++)
        {
            long blocks = ((long)lengths[b] + inputs.PageSize - 1) / inputs.PageSize;
            check.Blocks(table + (b * stride), b, 0, blocks);
        }
    }
}
