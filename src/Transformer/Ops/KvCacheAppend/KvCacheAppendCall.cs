using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// cache[b, positions[b] + i, :] = source[b, i, :] for each of a sequence's new rows i.
/// </summary>
public readonly record struct KvCacheAppendForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "KvCacheAppend";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Batch, NewLength, Width] with <see cref="SourceRowStride"/> between rows.
    /// </summary>
    public BufferView Source { get; init; }

    /// <summary>[Batch] Int32: rows that each sequence's cache holds already.</summary>
    public BufferView Positions { get; init; }

    /// <summary>[Batch, Capacity, Width], contiguous; rows outside the new ones stay.</summary>
    public BufferView Cache { get; init; }

    /// <summary>Sequences.</summary>
    public int Batch { get; init; }

    /// <summary>New rows a sequence.</summary>
    public int NewLength { get; init; }

    /// <summary>Rows a sequence's cache can hold.</summary>
    public int Capacity { get; init; }

    /// <summary>Elements of a row: heads · head dimension.</summary>
    public int Width { get; init; }

    /// <summary>Elements from one source row to the next; 0 means Width.</summary>
    public long SourceRowStride { get; init; }

    /// <summary>The stride with the default filled in.</summary>
    public long EffectiveSourceRowStride => SourceRowStride == 0 ? Width : SourceRowStride;

    /// <inheritdoc/>
    public void Validate()
    {
        OpCheck.NotNegative(Op, nameof(Batch), Batch);
        OpCheck.Positive(Op, nameof(NewLength), NewLength);
        OpCheck.Positive(Op, nameof(Capacity), Capacity);
        OpCheck.Positive(Op, nameof(Width), Width);
        if (SourceRowStride != 0 && SourceRowStride < Width)
        {
            OpCheck.Throw(Op, $"'SourceRowStride' is {SourceRowStride}; expected at least Width " +
                $"{Width}, or 0 for contiguous rows. Count it in elements.");
        }

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
        OpCheck.Floats(Op, "cache", Cache, OpCheck.Count(Batch, Capacity, Width),
            $"[{Batch}, {Capacity}, {Width}]");
        OpCheck.Apart(Op, [("cache", Cache)], [("source", Source), ("positions", Positions)]);
    }
}
