using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a contiguous cache.</summary>
/// <param name="Batch">B: sequences.</param>
/// <param name="Capacity">Rows that each sequence can hold.</param>
/// <param name="KeyValueHeads">Hkv.</param>
/// <param name="HeadDimension">D: width of a key.</param>
/// <param name="ValueDimension">Dv: width of a value; 0 means D.</param>
/// <param name="DType">Float32, Float16 or BFloat16.</param>
public readonly record struct KvCacheShape(
    int Batch, int Capacity, int KeyValueHeads, int HeadDimension, int ValueDimension = 0,
    DType DType = DType.Float32);

/// <summary>
/// The keys and values of the past for B sequences of different lengths: append new rows, then
/// attend over all of them.
/// </summary>
/// <remarks>
/// Contiguous: each sequence has room for Capacity rows from the start. Paged: rows lie in pages of
/// a <see cref="KvPagePool"/> that are taken as a sequence grows, and sequences that begin alike
/// may share them. In steady state nothing is allocated. Used by one thread at a time; caches of
/// one pool may be used by different threads.
/// Sequences with fewer new rows than others: append rows of padding to them, then
/// <see cref="Truncate(int, int)"/> them.
/// </remarks>
public sealed partial class KvCache : IDisposable
{
    private readonly Tensor? keys;
    private readonly Tensor? values;
    private readonly Tensor lengthsView;
    private readonly int[] lengths;

    /// <summary>Allocates a contiguous cache without rows.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="backend">What works on it, and in whose memory; null: vectorised on the CPU.
    /// </param>
    /// <exception cref="ArgumentException">A size is not positive, or the type is no storage type.
    /// </exception>
    /// <exception cref="OutOfMemoryException">The backend has not enough memory.</exception>
    public KvCache(in KvCacheShape shape, Backend? backend = null)
    {
        Backend = backend ?? BackendRegistry.Cpu;
        Shape = shape with
        {
            ValueDimension = shape.ValueDimension == 0 ? shape.HeadDimension : shape.ValueDimension,
        };
        KvCacheChecks.Shape(Shape);
        lengths = new int[shape.Batch];
        try
        {
            keys = new(new(shape.Batch, shape.Capacity, Width(Shape.HeadDimension)), shape.DType,
                Backend.Memory);
            values = new(new(shape.Batch, shape.Capacity, Width(Shape.ValueDimension)),
                shape.DType, Backend.Memory);
            lengthsView = new(new(shape.Batch), DType.Int32, Backend.Memory);
        }
        catch
        {
            keys?.Dispose();
            values?.Dispose();
            throw;
        }

        blocks = [];
        fresh = [];
        blockCounts = [];
    }

    /// <summary>Makes a paged cache without rows and without pages.</summary>
    /// <param name="pool">Where its pages come from; outlives the cache.</param>
    /// <param name="batch">B: sequences.</param>
    /// <param name="capacity">Rows that each sequence can hold at most, rounded up to whole pages;
    /// costs 4 bytes a page, not memory for the rows.</param>
    /// <exception cref="ArgumentException">A size is not positive.</exception>
    public KvCache(KvPagePool pool, int batch, int capacity)
    {
        ArgumentNullException.ThrowIfNull(pool);
        Pool = pool;
        Backend = pool.Backend;
        KvPageShape pages = pool.Shape;
        OpCheck.Positive(nameof(KvCache), nameof(Shape.Capacity), capacity);
        MaximumBlocks = (int)(((long)capacity + pages.PageSize - 1) / pages.PageSize);
        Shape = new(batch, (int)Math.Min(int.MaxValue, (long)MaximumBlocks * pages.PageSize),
            pages.KeyValueHeads, pages.HeadDimension, pages.ValueDimension, pages.DType);
        KvCacheChecks.Shape(Shape);
        if ((long)batch * MaximumBlocks > Array.MaxLength)
        {
            OpCheck.Throw(nameof(KvCache), $"a block table [{batch}, {MaximumBlocks}] is too " +
                $"large; expected at most {Array.MaxLength} entries. Use larger pages.");
        }

        lengths = new int[batch];
        blockCounts = new int[batch];
        blocks = new int[batch * MaximumBlocks];
        fresh = new int[blocks.Length];
        blocks.AsSpan().Fill(NoPage);
        lengthsView = new(new(batch), DType.Int32, Backend.Memory);
        try
        {
            blockTable = new(new(batch, MaximumBlocks), DType.Int32, Backend.Memory);
            blockTable.CopyFrom<int>(blocks);
        }
        catch
        {
            blockTable?.Dispose();
            lengthsView.Dispose();
            throw;
        }
    }

    /// <summary>Sizes, defaults filled in.</summary>
    public KvCacheShape Shape { get; }

    /// <summary>What works on the cache, and in whose memory it lies.</summary>
    public Backend Backend { get; }

    /// <summary>Where the pages come from; null for a contiguous cache.</summary>
    public KvPagePool? Pool { get; }

    /// <summary>Rows that each sequence holds.</summary>
    public ReadOnlySpan<int> Lengths => lengths;

    /// <summary>Rows of the longest sequence.</summary>
    public int LongestLength
    {
        get
        {
            int longest = 0;
            foreach (int length in lengths) longest = Math.Max(longest, length);
            return longest;
        }
    }

    /// <summary>[B, Capacity, Hkv · D], or [PageCount, PageSize, Hkv · D].</summary>
    /// <exception cref="ObjectDisposedException">The cache or its pool was disposed.</exception>
    public BufferView Keys
    {
        get
        {
            RequireOpen();
            return Pool?.Keys ?? keys!.View;
        }
    }

    /// <summary>[B, Capacity, Hkv · Dv], or [PageCount, PageSize, Hkv · Dv].</summary>
    /// <exception cref="ObjectDisposedException">The cache or its pool was disposed.</exception>
    public BufferView Values
    {
        get
        {
            RequireOpen();
            return Pool?.Values ?? values!.View;
        }
    }

    /// <summary>Of <see cref="Keys"/>; Batch is from sequence to sequence, or from page to page.
    /// </summary>
    public AttentionStrides KeyStrides => Strides(Shape.HeadDimension);

    /// <summary>Of <see cref="Values"/>; as <see cref="KeyStrides"/>.</summary>
    public AttentionStrides ValueStrides => Strides(Shape.ValueDimension);

    /// <summary>[B] Int32: <see cref="Lengths"/> in the backend's memory.</summary>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public BufferView KeyLengths
    {
        get
        {
            RequireOpen();
            return lengthsView.View;
        }
    }

    /// <summary>Attends from new queries over every row of their sequence, causally: the last query
    /// sees all rows, the one before it all but the last, and so on.</summary>
    /// <typeparam name="T">float; Half or BFloat16 where the backend takes them.</typeparam>
    /// <param name="query">[B, Hq, Sq, D], <paramref name="queryStrides"/>.</param>
    /// <param name="queryHeads">Hq: a multiple of Hkv.</param>
    /// <param name="queryLength">Sq: the number of rows that were appended last.</param>
    /// <param name="options">Scale, window, soft cap; the alignment is BottomRight. No dropout, no
    /// relative buckets.</param>
    /// <param name="output">[B, Hq, Sq, Dv], <paramref name="outputStrides"/>.</param>
    /// <param name="logSumExp">[B, Hq, Sq]; may be empty.</param>
    /// <param name="queryStrides">Default: contiguous.</param>
    /// <param name="outputStrides">Default: contiguous.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or an option is out of
    /// range.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public unsafe void Attend<T>(
        ReadOnlySpan<T> query, int queryHeads, int queryLength, in AttentionOptions options,
        Span<T> output, Span<float> logSumExp = default, AttentionStrides queryStrides = default,
        AttentionStrides outputStrides = default) where T : unmanaged
    {
        RequirePlain(options);
        fixed (T* q = query, o = output)
        fixed (float* l = logSumExp)
        {
            AttentionInputs inputs = InputsFor(
                BufferView.Of(q, query.Length), queryHeads, queryLength, options);
            SpanEntry.Run(Backend, new AttentionForward
            {
                Inputs = inputs with { QueryStrides = queryStrides, OutputStrides = outputStrides },
                Output = BufferView.Of(o, output.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
            });
        }
    }

    /// <summary>The inputs of a causal attention call over the cache's rows, for calls on buffers
    /// of the backend's memory.</summary>
    /// <param name="query">[B, Hq, Sq, D].</param>
    /// <param name="queryHeads">Hq: a multiple of Hkv.</param>
    /// <param name="queryLength">Sq: the number of rows that were appended last.</param>
    /// <param name="options">Scale, window, soft cap; the alignment is BottomRight.</param>
    /// <exception cref="ArgumentException">The options ask for another alignment.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public AttentionInputs InputsFor(
        BufferView query, int queryHeads, int queryLength, in AttentionOptions options)
    {
        if (options.Causal is not (CausalAlignment.None or CausalAlignment.BottomRight))
        {
            OpCheck.Throw(nameof(KvCache), $"'Causal' is {options.Causal}; expected BottomRight, " +
                "which is also the default here. Leave it out.");
        }

        return new()
        {
            Query = query,
            Key = Keys,
            Value = Values,
            KeyStrides = KeyStrides,
            ValueStrides = ValueStrides,
            KeyLengths = KeyLengths,
            BlockTable = BlockTable,
            PageSize = PageSize,
            PageCount = Pool?.Shape.PageCount ?? 0,
            Sizes = new(Shape.Batch, queryHeads, Shape.KeyValueHeads, queryLength, LongestLength,
                Shape.HeadDimension, Shape.ValueDimension),
            Options = options with { Causal = CausalAlignment.BottomRight },
        };
    }

    /// <summary>Returns the memory, or the pages to their pool; one that somebody released already
    /// is passed over.</summary>
    public void Dispose()
    {
        if (lengthsView.IsDisposed) return;
        if (Pool is not null) ReleaseAll();
        keys?.Dispose();
        values?.Dispose();
        lengthsView.Dispose();
        blockTable?.Dispose();
    }

    // What takes further buffers is for calls on InputsFor.
    private static void RequirePlain(in AttentionOptions options)
    {
        if (options.DropoutProbability != 0)
        {
            OpCheck.Throw(nameof(KvCache), $"'DropoutProbability' is " +
                $"{options.DropoutProbability}; expected 0: a cache serves generation. Leave it " +
                "out.");
        }

        if (options.RelativeBuckets is not null)
        {
            OpCheck.Throw(nameof(KvCache), "'RelativeBuckets' is given, but no table; expected " +
                "none. Take InputsFor and pass the table in an attention call.");
        }
    }

    private void RequireOpen()
    {
        if (!lengthsView.IsDisposed) return;
        throw new ObjectDisposedException(null, "KvCache: the cache was disposed. Make a new " +
            "one, or dispose this one after its last use.");
    }

    private int Width(int dimension) => Shape.KeyValueHeads * dimension;

    private AttentionStrides Strides(int dimension) => AttentionStrides.SequenceMajor(
        Shape.KeyValueHeads, Pool?.Shape.PageSize ?? Shape.Capacity, dimension);
}
