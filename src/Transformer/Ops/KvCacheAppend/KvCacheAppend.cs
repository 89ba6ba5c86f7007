using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a cache append.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="NewLength">New rows a sequence.</param>
/// <param name="Capacity">Rows a sequence's cache can hold; 0 for a paged cache.</param>
/// <param name="Width">Elements of a row: heads · head dimension.</param>
public readonly record struct KvCacheSizes(int Batch, int NewLength, int Capacity, int Width);

/// <summary>Optional inputs of a cache append; <c>default</c> is none.</summary>
public readonly ref struct KvCacheExtras
{
    /// <summary>Elements from one source row to the next; 0 means Width.</summary>
    public long SourceRowStride { get; init; }

    /// <summary>Tables by which each head of a row is rotated at its cache position.</summary>
    public RotaryTableSpans Rotary { get; init; }

    /// <summary>D: elements of a head, of which a row has Width / D; only with tables.</summary>
    public int HeadDimension { get; init; }

    /// <summary>[Batch, MaximumBlocks]: row t of sequence b lies in page
    /// BlockTable[b, t / PageSize], at row t % PageSize.</summary>
    public ReadOnlySpan<int> BlockTable { get; init; }

    /// <summary>Pages that a sequence can have.</summary>
    public int MaximumBlocks { get; init; }

    /// <summary>Rows of a page: a multiple of 16; 0 for a contiguous cache.</summary>
    public int PageSize { get; init; }

    /// <summary>Pages of the cache.</summary>
    public int PageCount { get; init; }
}

/// <summary>Appends new keys or values to a contiguous or paged cache, on spans.</summary>
/// <remarks>Safe to call from many threads on different caches; allocates nothing.
/// <see cref="KvCache"/> owns such a cache and keeps its lengths.</remarks>
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
        Span<float> cache, long sourceRowStride = 0, Backend? backend = null) =>
        Forward(source, positions, new KvCacheExtras { SourceRowStride = sourceRowStride }, sizes,
            cache, backend);

    /// <summary>The same with rotation, pages, or a cache of another type.</summary>
    /// <typeparam name="TSource">float, Half, BFloat16 or double.</typeparam>
    /// <typeparam name="TCache">float, Half, BFloat16 or double.</typeparam>
    /// <param name="source">[Batch, NewLength, Width].</param>
    /// <param name="positions">[Batch]: rows that each sequence's cache holds already.</param>
    /// <param name="extras">Row stride, rotary tables, block table.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="cache">[Batch, Capacity, Width], or [PageCount, PageSize, Width]; rows outside
    /// the new ones stay.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or cache, block table
    /// or rotary tables are too small for the new rows. Nothing was written.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<TSource, TCache>(
        ReadOnlySpan<TSource> source, ReadOnlySpan<int> positions, in KvCacheExtras extras,
        in KvCacheSizes sizes, Span<TCache> cache, Backend? backend = null)
        where TSource : unmanaged
        where TCache : unmanaged
    {
        RotaryTableSpans rotary = extras.Rotary;
        fixed (TSource* x = source)
        fixed (TCache* z = cache)
        fixed (int* p = positions, t = extras.BlockTable)
        fixed (float* c = rotary.Cosines, s = rotary.Sines)
        {
            SpanEntry.Run(backend, new KvCacheAppendForward
            {
                Source = BufferView.Of(x, source.Length),
                Positions = BufferView.Of(p, positions.Length),
                Cache = BufferView.Of(z, cache.Length),
                Batch = sizes.Batch,
                NewLength = sizes.NewLength,
                Capacity = sizes.Capacity,
                Width = sizes.Width,
                SourceRowStride = extras.SourceRowStride,
                Rotary = rotary.At(c, s),
                HeadDimension = extras.HeadDimension,
                BlockTable = BufferView.Of(t, extras.BlockTable.Length),
                MaximumBlocks = extras.MaximumBlocks,
                PageSize = extras.PageSize,
                PageCount = extras.PageCount,
            });
        }
    }
}
