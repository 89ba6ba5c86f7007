using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a pool of pages.</summary>
/// <param name="PageCount">Pages.</param>
/// <param name="PageSize">Rows of a page: a multiple of 16.</param>
/// <param name="KeyValueHeads">Hkv.</param>
/// <param name="HeadDimension">D: width of a key.</param>
/// <param name="ValueDimension">Dv: width of a value; 0 means D.</param>
/// <param name="DType">Float32, Float16 or BFloat16.</param>
public readonly record struct KvPageShape(
    int PageCount, int PageSize, int KeyValueHeads, int HeadDimension, int ValueDimension = 0,
    DType DType = DType.Float32);

/// <summary>Memory for the keys and values of several caches, handed out in pages.</summary>
/// <remarks>
/// A page has a reference count: sequences that begin alike hold the same pages. Taking, sharing
/// and releasing pages is safe from many threads and allocates nothing. Dispose the caches first:
/// their views lead into the pool's memory.
/// Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving with
/// PagedAttention".
/// </remarks>
public sealed class KvPagePool : IDisposable
{
    private readonly Lock gate = new();
    private readonly Tensor keys;
    private readonly Tensor values;
    private readonly int[] references;
    private readonly int[] free;
    private int freeCount;

    /// <summary>Allocates the pages.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="backend">Whose memory; null: the host's.</param>
    /// <exception cref="ArgumentException">A size is not positive, the page size is no multiple of
    /// 16, or the type is no storage type.</exception>
    /// <exception cref="OutOfMemoryException">The backend has not enough memory.</exception>
    public KvPagePool(in KvPageShape shape, Backend? backend = null)
    {
        Backend = backend ?? BackendRegistry.Cpu;
        Shape = shape with
        {
            ValueDimension = shape.ValueDimension == 0 ? shape.HeadDimension : shape.ValueDimension,
        };
        KvCacheChecks.PageShape(Shape);
        references = new int[shape.PageCount];
        free = [.. Enumerable.Range(0, shape.PageCount).Reverse()];
        freeCount = free.Length;
        keys = new(new(shape.PageCount, shape.PageSize,
            shape.KeyValueHeads * (long)shape.HeadDimension), shape.DType, Backend.Memory);
        try
        {
            values = new(new(shape.PageCount, shape.PageSize,
                shape.KeyValueHeads * (long)Shape.ValueDimension), shape.DType, Backend.Memory);
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

    /// <summary>Sizes, defaults filled in.</summary>
    public KvPageShape Shape { get; }

    /// <summary>Where the pages lie and what works on them.</summary>
    public Backend Backend { get; }

    /// <summary>[PageCount, PageSize, Hkv · D].</summary>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public BufferView Keys
    {
        get
        {
            RequireOpen();
            return keys.View;
        }
    }

    /// <summary>[PageCount, PageSize, Hkv · Dv].</summary>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public BufferView Values
    {
        get
        {
            RequireOpen();
            return values.View;
        }
    }

    /// <summary>Pages that nobody holds.</summary>
    public int FreePages
    {
        get
        {
            lock (gate) return freeCount;
        }
    }

    /// <summary>Takes pages, each with one reference; all of them or none.</summary>
    /// <param name="pages">Receives the pages, of contents undefined.</param>
    /// <returns>False where fewer are free.</returns>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public bool TryTake(Span<int> pages)
    {
        RequireOpen();
        lock (gate)
        {
            if (pages.Length > freeCount) return false;
            foreach (ref int page in pages)
            {
                page = free[--freeCount];
                references[page] = 1;
            }

            return true;
        }
    }

    /// <summary>Holders of a page; 0: it is free.</summary>
    /// <exception cref="ArgumentException">No such page.</exception>
    public int References(int page)
    {
        Require(page);
        lock (gate) return references[page];
    }

    /// <summary>Adds a holder to a page that has one.</summary>
    /// <exception cref="ArgumentException">No such page, or it is free.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public void Share(int page)
    {
        RequireOpen();
        Require(page);
        lock (gate)
        {
            RequireHeld(page);
            references[page]++;
        }
    }

    /// <summary>Takes a holder from a page; without one, it is free.</summary>
    /// <exception cref="ArgumentException">No such page, or it is free already.</exception>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public void Release(int page)
    {
        RequireOpen();
        Require(page);
        lock (gate)
        {
            RequireHeld(page);
            Drop(page);
        }
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }

    /// <summary>Takes a holder from a page where it has one; a cache returns all its pages,
    /// whatever became of one of them, and also after the pool.</summary>
    internal void ReleaseIfHeld(int page)
    {
        lock (gate)
        {
            if (references[page] > 0) Drop(page);
        }
    }

    /// <summary>Copies the keys and values of a page to another.</summary>
    internal void Copy(int source, int target)
    {
        Copy(Keys, source, target);
        Copy(Values, source, target);
    }

    private void Copy(BufferView pages, int source, int target)
    {
        long bytes = pages.Length / Shape.PageCount * pages.DType.Size();
        Backend.Memory.Copy(pages.Address + (nint)(source * bytes),
            pages.Address + (nint)(target * bytes), bytes);
    }

    private void Drop(int page)
    {
        if (--references[page] == 0) free[freeCount++] = page;
    }

    private void RequireOpen()
    {
        if (!keys.IsDisposed) return;
        throw new ObjectDisposedException(null, "KvPagePool: the pool was disposed. Make a new " +
            "one, or dispose this one after its caches.");
    }

    private void Require(int page)
    {
        if ((uint)page < (uint)Shape.PageCount) return;
        OpCheck.Throw(nameof(KvPagePool), $"page {page} does not exist; expected 0 to " +
            $"{Shape.PageCount - 1}. Pass a page that TryTake gave.");
    }

    private void RequireHeld(int page)
    {
        if (references[page] > 0) return;
        OpCheck.Throw(nameof(KvPagePool), $"page {page} is free; expected one that is held. Take " +
            "it with TryTake, and release it once for each holder.");
    }
}
