using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

// Appending and dropping rows.
public sealed partial class KvCache
{
    /// <summary>Appends as many rows to every sequence.</summary>
    /// <typeparam name="T">float, Half or BFloat16; rounded to the cache's type.</typeparam>
    /// <param name="key">[B, newLength, Hkv · D].</param>
    /// <param name="value">[B, newLength, Hkv · Dv].</param>
    /// <param name="newLength">New rows a sequence.</param>
    /// <param name="rotary">Tables by which keys are rotated at their position in the sequence;
    /// default: none.</param>
    /// <param name="keyRowStride">Elements from one key row to the next; 0 means Hkv · D.</param>
    /// <param name="valueRowStride">Elements from one value row to the next; 0 means Hkv · Dv.
    /// </param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a sequence, the pool
    /// or the tables have no room; the cache is as it was.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call, or its memory is
    /// not the host's; the cache is as it was.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public unsafe void Append<T>(
        ReadOnlySpan<T> key, ReadOnlySpan<T> value, int newLength,
        in RotaryTableSpans rotary = default, long keyRowStride = 0, long valueRowStride = 0)
        where T : unmanaged
    {
        SpanEntry.RequireHostMemory<KvCacheAppendForward>(Backend);
        fixed (T* k = key, v = value)
        fixed (float* c = rotary.Cosines, s = rotary.Sines)
        {
            Append(BufferView.Of(k, key.Length), BufferView.Of(v, value.Length), newLength,
                rotary.At(c, s), keyRowStride, valueRowStride);
            Backend.Synchronize();
        }
    }

    /// <summary>Appends as many rows to every sequence, from buffers in the backend's memory.
    /// </summary>
    /// <param name="key">[B, newLength, Hkv · D].</param>
    /// <param name="value">[B, newLength, Hkv · Dv].</param>
    /// <param name="newLength">New rows a sequence.</param>
    /// <param name="rotary">Tables by which keys are rotated at their position in the sequence;
    /// default: none.</param>
    /// <param name="keyRowStride">Elements from one key row to the next; 0 means Hkv · D.</param>
    /// <param name="valueRowStride">Elements from one value row to the next; 0 means Hkv · Dv.
    /// </param>
    /// <exception cref="ArgumentException">A buffer does not fit the sizes, or a sequence, the
    /// pool or the tables have no room; the cache is as it was.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call; the cache is as
    /// it was.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Append(
        BufferView key, BufferView value, int newLength, in RotaryTables rotary = default,
        long keyRowStride = 0, long valueRowStride = 0)
    {
        RequireOpen();
        RequireRoom(newLength);
        // Keys are written before values are read.
        OpCheck.NoOverlap(nameof(KvCache), nameof(Keys), Keys, nameof(value), value);
        OpCheck.NoOverlap(nameof(KvCache), nameof(Values), Values, nameof(key), key);
        KvCacheAppendForward keyCall = Call(
            key, Keys, newLength, Width(Shape.HeadDimension), keyRowStride) with
        {
            Rotary = rotary, HeadDimension = Shape.HeadDimension,
        };
        KvCacheAppendForward valueCall = Call(
            value, Values, newLength, Width(Shape.ValueDimension), valueRowStride);
        keyCall.Validate();
        valueCall.Validate();
        bool appended = false;
        try
        {
            if (Pool is not null) TakePages(newLength);
            Backend.Run(in keyCall);
            Backend.Run(in valueCall);
            appended = true;
        }
        finally
        {
            // Rows behind a sequence's length count for nothing; pages taken for them would.
            if (!appended && Pool is not null) ReleaseUnused();
        }

        foreach (ref int length in lengths.AsSpan()) length += newLength;
        lengthsView.CopyFrom<int>(lengths);
    }

    /// <summary>Drops every row.</summary>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Reset() => Truncate(0);

    /// <summary>Drops the rows of every sequence from <paramref name="length"/> on; shorter
    /// sequences stay.</summary>
    /// <exception cref="ArgumentException">A negative length.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Truncate(int length)
    {
        RequireOpen();
        OpCheck.NotNegative(nameof(KvCache), nameof(length), length);
        foreach (ref int rows in lengths.AsSpan()) rows = Math.Min(rows, length);
        Shortened();
    }

    /// <summary>Drops the rows of one sequence from <paramref name="length"/> on.</summary>
    /// <exception cref="ArgumentException">No such sequence, or one that is shorter.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Truncate(int sequence, int length)
    {
        RequireOpen();
        RequireSequence(nameof(sequence), sequence);
        if (length < 0 || length > lengths[sequence])
        {
            OpCheck.Throw(nameof(KvCache), $"'length' is {length}; expected 0 to " +
                $"{lengths[sequence]}, the rows of sequence {sequence}. Truncate to rows that " +
                "are there.");
        }

        lengths[sequence] = length;
        Shortened();
    }

    private void Shortened()
    {
        lengthsView.CopyFrom<int>(lengths);
        if (Pool is not null) ReleaseUnused();
    }

    private KvCacheAppendForward Call(
        BufferView source, BufferView cache, int newLength, int width, long rowStride) => new()
        {
            Source = source,
            Positions = KeyLengths,
            Cache = cache,
            Batch = Shape.Batch,
            NewLength = newLength,
            Capacity = Pool is null ? Shape.Capacity : 0,
            Width = width,
            SourceRowStride = rowStride,
            BlockTable = BlockTable,
            MaximumBlocks = MaximumBlocks,
            PageSize = PageSize,
            PageCount = Pool?.Shape.PageCount ?? 0,
        };

    private void RequireRoom(int newLength)
    {
        OpCheck.Positive(nameof(KvCache), nameof(newLength), newLength,
            "Append at least one row a sequence.");
        for (int b = 0; b < lengths.Length; b++)
        {
            if ((long)lengths[b] + newLength <= Shape.Capacity) continue;
            OpCheck.Throw(nameof(KvCache), $"sequence {b} holds {lengths[b]} rows and gets " +
                $"{newLength} more; expected at most {Shape.Capacity} in all. Make a cache of " +
                "larger capacity, or truncate the sequence.");
        }
    }

    private void RequireSequence(string argument, int sequence)
    {
        if ((uint)sequence < (uint)lengths.Length) return;
        OpCheck.Throw(nameof(KvCache), $"'{argument}' is {sequence}; expected 0 to " +
            $"{lengths.Length - 1}. Pass a sequence of the batch.");
    }
}
