using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// output[r] = scale · table[ids[r]] + positionTable[position(r)] + segmentTable[segmentIds[r]].
/// </summary>
/// <remarks>position(r) is positionIds[r], or r mod SequenceLength where those are absent.
/// An id outside its table is an error; kernels check before they write.
/// </remarks>
public readonly record struct EmbeddingForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Embedding";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Rows] Int32, each in [0, Vocabulary).</summary>
    public BufferView Ids { get; init; }

    /// <summary>[Vocabulary, Width].</summary>
    public BufferView Table { get; init; }

    /// <summary>[Positions, Width]; optional.</summary>
    public BufferView PositionTable { get; init; }

    /// <summary>[Rows] Int32, each in [0, Positions); optional.</summary>
    public BufferView PositionIds { get; init; }

    /// <summary>[Segments, Width]; optional.</summary>
    public BufferView SegmentTable { get; init; }

    /// <summary>[Rows] Int32, each in [0, Segments); present exactly where the table is.</summary>
    public BufferView SegmentIds { get; init; }

    /// <summary>[Rows, Width].</summary>
    public BufferView Output { get; init; }

    /// <summary>Rows: tokens of all sequences.</summary>
    public int Rows { get; init; }

    /// <summary>Tokens of one sequence; Rows is a multiple of it.</summary>
    public int SequenceLength { get; init; }

    /// <summary>Width of a vector.</summary>
    public int Width { get; init; }

    /// <summary>Multiplies the token's vector; 0 means 1. Vaswani et al. use √Width.</summary>
    public double Scale { get; init; }

    /// <summary>The scale with the default filled in.</summary>
    public double EffectiveScale => Scale == 0 ? 1 : Scale;

    /// <inheritdoc/>
    public void Validate()
    {
        EmbeddingChecks.Sizes(Rows, SequenceLength, Width, Ids, PositionIds, SegmentIds);
        EmbeddingChecks.Table("table", Table, Width, required: true);
        EmbeddingChecks.Table("positionTable", PositionTable, Width, required: false);
        EmbeddingChecks.Table("segmentTable", SegmentTable, Width, required: false);
        EmbeddingChecks.Positions(PositionTable, PositionIds, SequenceLength, Width);
        EmbeddingChecks.Segments(SegmentTable, SegmentIds, Rows);
        OpCheck.Floats(Op, "output", Output, (long)Rows * Width, $"[{Rows}, {Width}]");
        EmbeddingChecks.Scale(Scale);
        OpCheck.Apart(
            Op,
            [("output", Output)],
            [("table", Table), ("positionTable", PositionTable), ("segmentTable", SegmentTable),
                ("ids", Ids), ("positionIds", PositionIds), ("segmentIds", SegmentIds)]);
    }
}

/// <summary>
/// tableGradient[ids[r]] += scale · outputGradient[r], likewise (unscaled) for positions and
/// segments.
/// </summary>
public readonly record struct EmbeddingBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Embedding";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>[Rows] Int32.</summary>
    public BufferView Ids { get; init; }

    /// <summary>[Rows] Int32; optional.</summary>
    public BufferView PositionIds { get; init; }

    /// <summary>[Rows] Int32; optional.</summary>
    public BufferView SegmentIds { get; init; }

    /// <summary>[Rows, Width].</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[Vocabulary, Width], added to; absent: not computed.</summary>
    public BufferView TableGradient { get; init; }

    /// <summary>[Positions, Width], added to; absent: not computed.</summary>
    public BufferView PositionTableGradient { get; init; }

    /// <summary>[Segments, Width], added to; absent: not computed.</summary>
    public BufferView SegmentTableGradient { get; init; }

    /// <summary>Rows: tokens of all sequences.</summary>
    public int Rows { get; init; }

    /// <summary>Tokens of one sequence.</summary>
    public int SequenceLength { get; init; }

    /// <summary>Width of a vector.</summary>
    public int Width { get; init; }

    /// <summary>The scale of the forward call; 0 means 1.</summary>
    public double Scale { get; init; }

    /// <summary>The scale with the default filled in.</summary>
    public double EffectiveScale => Scale == 0 ? 1 : Scale;

    /// <inheritdoc/>
    public void Validate()
    {
        EmbeddingChecks.Sizes(Rows, SequenceLength, Width, Ids, PositionIds, SegmentIds);
        EmbeddingChecks.Table("tableGradient", TableGradient, Width, required: false);
        EmbeddingChecks.Table(
            "positionTableGradient", PositionTableGradient, Width, required: false);
        EmbeddingChecks.Table(
            "segmentTableGradient", SegmentTableGradient, Width, required: false);
        EmbeddingChecks.Positions(PositionTableGradient, PositionIds, SequenceLength, Width);
        EmbeddingChecks.Segments(SegmentTableGradient, SegmentIds, Rows);
        OpCheck.Floats(
            Op, "outputGradient", OutputGradient, (long)Rows * Width, $"[{Rows}, {Width}]");
        EmbeddingChecks.Scale(Scale);
        OpCheck.Apart(
            Op,
            [("tableGradient", TableGradient),
                ("positionTableGradient", PositionTableGradient),
                ("segmentTableGradient", SegmentTableGradient)],
            [("outputGradient", OutputGradient), ("ids", Ids), ("positionIds", PositionIds),
                ("segmentIds", SegmentIds)]);
    }
}

internal static class EmbeddingChecks
{
    private const string Op = "Embedding";

    public static void Sizes(
        int rows, int sequenceLength, int width, BufferView ids, BufferView positionIds,
        BufferView segmentIds)
    {
        OpCheck.NotNegative(Op, "Rows", rows);
        OpCheck.Positive(Op, "Width", width);
        OpCheck.NotNegative(Op, "SequenceLength", sequenceLength);
        if (rows > 0) OpCheck.Positive(Op, "SequenceLength", sequenceLength);
        if (rows > 0 && rows % sequenceLength != 0)
        {
            OpCheck.Throw(Op, $"'Rows' is {rows}; expected a multiple of 'SequenceLength' " +
                $"{sequenceLength}. Pad every sequence to the same length.");
        }

        OpCheck.Exactly(Op, "ids", ids, rows, $"[{rows}]");
        OpCheck.ExactlyOrAbsent(Op, "positionIds", positionIds, rows, $"[{rows}]");
        OpCheck.ExactlyOrAbsent(Op, "segmentIds", segmentIds, rows, $"[{rows}]");
        OpCheck.IsInt32(Op, "ids", ids);
        OpCheck.IsInt32(Op, "positionIds", positionIds);
        OpCheck.IsInt32(Op, "segmentIds", segmentIds);
    }

    public static void Table(string argument, BufferView table, int width, bool required)
    {
        if (table.IsAbsent && !required) return;
        if (table.IsAbsent || table.Length == 0 || table.Length % width != 0)
        {
            OpCheck.Throw(Op, $"'{argument}' has {table.Length} elements; expected rows of " +
                $"Width {width}. Pass whole rows, one at least.");
        }
    }

    public static void Scale(double scale) =>
        OpCheck.InRange(Op, "Scale", scale, -float.MaxValue, float.MaxValue);

    public static void Positions(
        BufferView table, BufferView positionIds, int sequenceLength, int width)
    {
        if (table.IsPresent && positionIds.IsAbsent && table.Length / width < sequenceLength)
        {
            OpCheck.Throw(Op, $"the sequence has {sequenceLength} tokens; the position table " +
                $"has {table.Length / width} rows. Shorten the text or use a model with more " +
                "positions.");
        }
    }

    public static void Segments(BufferView table, BufferView segmentIds, int rows)
    {
        // An empty span of ids is the same as none.
        if (rows > 0 && table.IsPresent != segmentIds.IsPresent)
        {
            OpCheck.Throw(
                Op, "'segmentTable' and 'segmentIds' go together. Pass both or neither.");
        }
    }
}
