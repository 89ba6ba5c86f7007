using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// A tensor of an attention call as the vector kernels use it: rows of one head as floats, where
/// they lie if they can be read there, else widened or gathered into scratch.
/// </summary>
/// <remarks>One float copy of a tile in cache costs little beside its products, and keeps the
/// kernels free of element types and pages.</remarks>
internal readonly unsafe struct AttentionOperand
{
    private const int Chunk = 64;

    private readonly byte* address;
    private readonly DType type;
    private readonly AttentionStrides strides;
    private readonly int width;

    /// <summary>Views a tensor of rows of <paramref name="width"/> elements.</summary>
    public AttentionOperand(BufferView view, AttentionStrides strides, int width)
    {
        address = (byte*)view.Address;
        type = view.DType;
        this.strides = strides;
        this.width = width;
    }

    /// <summary>True when some rows must be copied into scratch before they can be read.</summary>
    public bool NeedsScratch(in AttentionSequences sequences) =>
        type != DType.Float32 || sequences.IsPaged;

    /// <summary>Queries [first, first + count) of a head.</summary>
    /// <param name="sequences">Where sequences lie.</param>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Query head.</param>
    /// <param name="first">First query.</param>
    /// <param name="count">Queries.</param>
    /// <param name="scratch">[count, width], for other types than float.</param>
    /// <param name="rowStride">Floats from one row of the result to the next.</param>
    public float* ReadQueries(
        in AttentionSequences sequences, int batch, int head, int first, int count,
        float* scratch, out long rowStride)
    {
        byte* row = Row(sequences.QueryAt(batch, first), head);
        if (type == DType.Float32)
        {
            rowStride = strides.Sequence;
            return (float*)row;
        }

        Gather(row, count, scratch);
        rowStride = width;
        return scratch;
    }

    /// <summary>Keys or values [first, first + count) of a key/value head; as
    /// <see cref="ReadQueries"/>.</summary>
    public float* ReadKeys(
        in AttentionSequences sequences, int batch, int head, int first, int count,
        float* scratch, out long rowStride)
    {
        if (type == DType.Float32 && sequences.RunFrom(first) >= count)
        {
            rowStride = strides.Sequence;
            return (float*)Row(sequences.KeyAt(batch, first), head);
        }

        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, sequences.RunFrom(first + done));
            Gather(Row(sequences.KeyAt(batch, first + done), head), run,
                scratch + ((long)done * width));
            done += run;
        }

        rowStride = width;
        return scratch;
    }

    /// <summary>Keys or values from <paramref name="first"/> on, where they lie: as many as lie at
    /// one distance.</summary>
    /// <param name="sequences">Where sequences lie.</param>
    /// <param name="batch">Sequence.</param>
    /// <param name="head">Key/value head.</param>
    /// <param name="first">First key; one that is stored.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public StoredRows KeyRows(in AttentionSequences sequences, int batch, int head, int first) =>
        new((nint)Row(sequences.KeyAt(batch, first), head), strides.Sequence * type.Size(),
            width * type.Size(), type);

    /// <summary>Writes queries [first, first + count): scale · source [count, width padded].
    /// </summary>
    public void WriteQueries<T>(
        in AttentionSequences sequences, int batch, int head, int first, int count,
        float* source, float scale) where T : struct, ISimdFloat<T> =>
        Scatter<T>(source, count, scale, Row(sequences.QueryAt(batch, first), head));

    /// <summary>Writes keys [first, first + count): source [count, width padded].</summary>
    public void WriteKeys<T>(
        in AttentionSequences sequences, int batch, int head, int first, int count,
        float* source) where T : struct, ISimdFloat<T>
    {
        for (int done = 0; done < count;)
        {
            int run = Math.Min(count - done, sequences.RunFrom(first + done));
            Scatter<T>(source + ((long)done * AttentionPacking.Pad<T>(width)), run, 1,
                Row(sequences.KeyAt(batch, first + done), head));
            done += run;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Row((long Outer, long Row) place, int head) => address + (type.Size() *
        ((place.Outer * strides.Batch) + (head * strides.Head) +
            (place.Row * strides.Sequence)));

    private void Gather(byte* source, int count, float* target)
    {
        long step = strides.Sequence * type.Size();
        for (int row = 0; row < count; row++)
        {
            FloatStorage.Widen(type, source + (row * step), target + ((long)row * width), width);
        }
    }

    private void Scatter<T>(float* source, int count, float scale, byte* target)
        where T : struct, ISimdFloat<T>
    {
        if (type == DType.Float32)
        {
            AttentionPacking.Unpack<T>(
                source, count, width, scale, (float*)target, strides.Sequence);
            return;
        }

        long step = strides.Sequence * type.Size();
        int padded = AttentionPacking.Pad<T>(width);
        float* scaled = stackalloc float[Chunk];
        for (int row = 0; row < count; row++)
        {
            for (int column = 0; column < width; column += Chunk)
            {
                int run = Math.Min(Chunk, width - column);
                AttentionPacking.Unpack<T>(
                    source + ((long)row * padded) + column, 1, run, scale, scaled, 0);
                FloatStorage.Narrow(
                    type, scaled, target + (row * step) + (column * type.Size()), run);
            }
        }
    }
}
