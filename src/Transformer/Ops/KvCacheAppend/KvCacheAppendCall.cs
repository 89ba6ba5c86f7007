using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// cache[b, positions[b] + i, :] = source[b, i, :] for each of a sequence's new rows i; with rotary
/// tables, each head of the row is rotated at that position on the way.
/// </summary>
public readonly record struct KvCacheAppendForward : IOpCall
{
    /// <summary>Fewest rows of a page, and what the rows of a page are a multiple of.</summary>
    public const int PageSizeStep = PageCheck.SizeStep;

    /// <inheritdoc/>
    public static string Op => "KvCacheAppend";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Batch, NewLength, Width] with <see cref="SourceRowStride"/> between rows.
    /// </summary>
    public BufferView Source { get; init; }

    /// <summary>[Batch] Int32: rows that each sequence's cache holds already.</summary>
    public BufferView Positions { get; init; }

    /// <summary>[Batch, Capacity, Width], with a block table [PageCount, PageSize, Width];
    /// contiguous; rows outside the new ones stay.</summary>
    public BufferView Cache { get; init; }

    /// <summary>Sequences.</summary>
    public int Batch { get; init; }

    /// <summary>New rows a sequence.</summary>
    public int NewLength { get; init; }

    /// <summary>Rows a sequence's cache can hold; 0 with a block table, where it is MaximumBlocks ·
    /// PageSize.</summary>
    public int Capacity { get; init; }

    /// <summary>Elements of a row: heads · head dimension.</summary>
    public int Width { get; init; }

    /// <summary>Elements from one source row to the next; 0 means Width.</summary>
    public long SourceRowStride { get; init; }

    /// <summary>Rotation of the rows at their cache position; optional.</summary>
    public RotaryTables Rotary { get; init; }

    /// <summary>D: elements of a head, of which a row has Width / D; only with rotary tables.
    /// </summary>
    public int HeadDimension { get; init; }

    /// <summary>[Batch, MaximumBlocks] Int32, optional: row t of sequence b lies in page
    /// BlockTable[b, t / PageSize], at row t % PageSize. Only entries that new rows go to are
    /// read; each of those pages belongs to one sequence.</summary>
    public BufferView BlockTable { get; init; }

    /// <summary>Pages that a sequence can have.</summary>
    public int MaximumBlocks { get; init; }

    /// <summary>Rows of a page: a multiple of 16.</summary>
    public int PageSize { get; init; }

    /// <summary>Pages of the cache.</summary>
    public int PageCount { get; init; }

    /// <summary>True where rows lie in pages.</summary>
    public bool IsPaged => BlockTable.IsPresent || PageSize != 0;

    /// <summary>The stride with the default filled in.</summary>
    public long EffectiveSourceRowStride => SourceRowStride == 0 ? Width : SourceRowStride;

    /// <summary>Rows a sequence's cache can hold, paged or not.</summary>
    public long EffectiveCapacity => IsPaged ? (long)MaximumBlocks * PageSize : Capacity;

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Batch), Batch);
        OpCheck.Positive(Op, nameof(NewLength), NewLength);
        OpCheck.Positive(Op, nameof(Width), Width);
        if (SourceRowStride != 0 && SourceRowStride < Width)
        {
            OpCheck.Throw(Op, $"'SourceRowStride' is {SourceRowStride}; expected at least Width " +
                $"{Width}, or 0 for contiguous rows. Count it in elements.");
        }

        if (IsPaged) ValidatePaging();
        else OpCheck.Positive(Op, nameof(Capacity), Capacity);
        long rows = (long)Batch * NewLength;
        if (rows > 0)
        {
            OpCheck.IsFloat(Op, "source", Source);
            long needed = OpCheck.Count(rows - 1, EffectiveSourceRowStride);
            OpCheck.AtLeast(Op, "source", Source,
                needed > long.MaxValue - Width ? needed : needed + Width,
                $"[{Batch}, {NewLength}, {Width}]");
        }

        OpCheck.Exactly(Op, "positions", Positions, Batch, $"[{Batch}]");
        OpCheck.IsInt32(Op, "positions", Positions);
        (int blocks, int size) = IsPaged ? (PageCount, PageSize) : (Batch, Capacity);
        OpCheck.Floats(Op, "cache", Cache, OpCheck.Count(blocks, size, Width),
            $"[{blocks}, {size}, {Width}]");
        if (Rotary.IsPresent) ValidateRotary();
        OpCheck.Apart(Op, [("cache", Cache)], [("source", Source), ("positions", Positions),
            ("blockTable", BlockTable), ("cosines", Rotary.Cosines), ("sines", Rotary.Sines)]);
    }

    private void ValidatePaging()
    {
        OpCheck.Positive(Op, nameof(MaximumBlocks), MaximumBlocks);
        OpCheck.NotNegative(Op, nameof(PageCount), PageCount);
        PageCheck.Size(Op, PageSize);
        if (Capacity != 0)
        {
            OpCheck.Throw(Op, $"'Capacity' is {Capacity} with a block table; expected 0. The " +
                $"capacity is MaximumBlocks · PageSize = {EffectiveCapacity}. Leave it out.");
        }

        OpCheck.Exactly(Op, "blockTable", BlockTable, OpCheck.Count(Batch, MaximumBlocks),
            $"[{Batch}, {MaximumBlocks}]");
        OpCheck.IsInt32(Op, "blockTable", BlockTable);
    }

    private void ValidateRotary()
    {
        OpCheck.Positive(Op, nameof(RotaryTables.MaxPositions), Rotary.MaxPositions);
        OpCheck.Positive(Op, nameof(HeadDimension), HeadDimension);
        if (Width % HeadDimension != 0)
        {
            OpCheck.Throw(Op, $"'Width' is {Width}, which is not a multiple of HeadDimension " +
                $"{HeadDimension}. Pass rows of whole heads.");
        }

        Rotary.Validate(Op, HeadDimension, Rotary.MaxPositions);
    }
}
