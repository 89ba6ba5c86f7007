using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of an embedding.</summary>
/// <param name="Rows">Tokens of all sequences.</param>
/// <param name="SequenceLength">Tokens of one sequence; Rows is a multiple of it.</param>
/// <param name="Width">Width of a vector.</param>
public readonly record struct EmbeddingSizes(int Rows, int SequenceLength, int Width);

/// <summary>Options of an embedding; <c>default</c> is unscaled.</summary>
public readonly record struct EmbeddingOptions
{
    /// <summary>Multiplies the token's vector; 0 means 1. Vaswani et al. use √Width.</summary>
    public double Scale { get; init; }
}

/// <summary>The ids that an embedding looks up.</summary>
public readonly ref struct EmbeddingIds
{
    /// <summary>[Rows], each in [0, Vocabulary).</summary>
    public ReadOnlySpan<int> Tokens { get; init; }

    /// <summary>[Rows], each in [0, Positions); empty means row mod SequenceLength.</summary>
    public ReadOnlySpan<int> Positions { get; init; }

    /// <summary>[Rows], each in [0, Segments); present exactly where the segment table is.
    /// </summary>
    public ReadOnlySpan<int> Segments { get; init; }
}

/// <summary>Token, position and segment vectors looked up and added in one pass, on spans.
/// </summary>
/// <remarks>Where a span may be empty, empty means absent. Safe to call from many threads;
/// allocates nothing.</remarks>
public static unsafe class Embedding
{
    /// <summary>output[r] = scale · table[token] + positionTable[position] +
    /// segmentTable[segment].</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="ids">Ids of each row.</param>
    /// <param name="table">[Vocabulary, Width].</param>
    /// <param name="positionTable">[Positions, Width]; may be empty.</param>
    /// <param name="segmentTable">[Segments, Width]; may be empty.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, Width].</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an id lies outside
    /// its table.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        in EmbeddingIds ids, ReadOnlySpan<T> table, ReadOnlySpan<T> positionTable,
        ReadOnlySpan<T> segmentTable, in EmbeddingSizes sizes, in EmbeddingOptions options,
        Span<T> output, Backend? backend = null)
        where T : unmanaged
    {
        fixed (int* t = ids.Tokens, p = ids.Positions, s = ids.Segments)
        fixed (T* tt = table, pt = positionTable, st = segmentTable, y = output)
        {
            SpanEntry.Run(backend, new EmbeddingForward
            {
                Ids = BufferView.Of(t, ids.Tokens.Length),
                PositionIds = BufferView.Of(p, ids.Positions.Length),
                SegmentIds = BufferView.Of(s, ids.Segments.Length),
                Table = BufferView.Of(tt, table.Length),
                PositionTable = BufferView.Of(pt, positionTable.Length),
                SegmentTable = BufferView.Of(st, segmentTable.Length),
                Output = BufferView.Of(y, output.Length),
                Rows = sizes.Rows,
                SequenceLength = sizes.SequenceLength,
                Width = sizes.Width,
                Scale = options.Scale,
            });
        }
    }

    /// <summary>Adds each row's gradient to the table rows that made it.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="ids">Ids of the forward call.</param>
    /// <param name="outputGradient">[Rows, Width].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="tableGradient">[Vocabulary, Width], added to; may be empty.</param>
    /// <param name="positionTableGradient">[Positions, Width], added to; may be empty.</param>
    /// <param name="segmentTableGradient">[Segments, Width], added to; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an id lies outside
    /// its table.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        in EmbeddingIds ids, ReadOnlySpan<T> outputGradient, in EmbeddingSizes sizes,
        in EmbeddingOptions options, Span<T> tableGradient,
        Span<T> positionTableGradient = default, Span<T> segmentTableGradient = default,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (int* t = ids.Tokens, p = ids.Positions, s = ids.Segments)
        fixed (T* dy = outputGradient, dt = tableGradient, dp = positionTableGradient,
            ds = segmentTableGradient)
        {
            SpanEntry.Run(backend, new EmbeddingBackward
            {
                Ids = BufferView.Of(t, ids.Tokens.Length),
                PositionIds = BufferView.Of(p, ids.Positions.Length),
                SegmentIds = BufferView.Of(s, ids.Segments.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                TableGradient = BufferView.Of(dt, tableGradient.Length),
                PositionTableGradient = BufferView.Of(dp, positionTableGradient.Length),
                SegmentTableGradient = BufferView.Of(ds, segmentTableGradient.Length),
                Rows = sizes.Rows,
                SequenceLength = sizes.SequenceLength,
                Width = sizes.Width,
                Scale = options.Scale,
            });
        }
    }
}
