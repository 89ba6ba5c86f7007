using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a cache append.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="NewLength">New rows a sequence.</param>
/// <param name="Capacity">Rows a sequence's cache can hold.</param>
/// <param name="Width">Elements of a row: heads · head dimension.</param>
public readonly record struct KvCacheSizes(int Batch, int NewLength, int Capacity, int Width);

/// <summary>Appends new keys or values to a contiguous cache, on spans.</summary>
/// <remarks>Safe to call from many threads on different caches; allocates nothing.</remarks>
public static unsafe class KvCacheAppend
{
    /// <summary>cache[b, positions[b] + i, :] = source[b, i, :] for each new row i.</summary>
    /// <param name="source">[Batch, NewLength, Width].</param>
    /// <param name="positions">[Batch]: rows that each sequence's cache holds already.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="cache">[Batch, Capacity, Width]; rows outside the new ones stay.</param>
    /// <param name="sourceRowStride">Elements from one source row to the next; 0 means Width.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or the cache is too
    /// small for the new rows.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(
        ReadOnlySpan<float> source, ReadOnlySpan<int> positions, in KvCacheSizes sizes,
        Span<float> cache, long sourceRowStride = 0, Backend? backend = null)
    {
        fixed (float* s = source, c = cache)
        fixed (int* p = positions)
        {
            SpanEntry.Run(backend, new KvCacheAppendForward
            {
                Source = BufferView.Of(s, source.Length),
                Positions = BufferView.Of(p, positions.Length),
                Cache = BufferView.Of(c, cache.Length),
                Batch = sizes.Batch,
                NewLength = sizes.NewLength,
                Capacity = sizes.Capacity,
                Width = sizes.Width,
                SourceRowStride = sourceRowStride,
            });
        }
    }
}
