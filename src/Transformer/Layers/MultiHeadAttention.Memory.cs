using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Layers;

/// <summary>Cross-attention to a memory that is projected once.</summary>
public sealed unsafe partial class MultiHeadAttention
{
    /// <summary>Projects a memory and appends its keys and values to a cache, for calls of
    /// <see cref="Forward(ReadOnlySpan{float}, int, KvCache, in AttentionOptions, Span{float}, in
    /// AttentionExtras)"/>.</summary>
    /// <param name="memory">[B, length, M]; B is the cache's. Drop the rows of padding afterwards:
    /// <see cref="KvCache.Truncate(int, int)"/>.</param>
    /// <param name="length">Positions of every sequence.</param>
    /// <param name="cache">Takes the keys, rotated where the layer rotates, and values. The call
    /// runs on its backend.</param>
    /// <exception cref="ArgumentException">The span or the cache does not fit the layer, or cache,
    /// pool or rotary tables have no room; the cache is as it was.</exception>
    /// <exception cref="NotSupportedException">The cache's backend cannot run this call; the cache
    /// is as it was.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void AppendMemory(ReadOnlySpan<float> memory, int length, KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(cache);
        OpCheck.Positive(Name, nameof(length), length);
        LayerChecks.Cache(cache, Options, length);
        int rows = LayerChecks.Count(cache.Shape.Batch, length);
        LayerChecks.Rows("memory", memory.Length, rows, Options.MemoryWidth);
        LayerSizes sizes = new(cache.Shape.Batch, 0, length, 0, rows, IsSelf: false);
        long count = LayerBuffers.Count(Options, sizes, logSumExp: false);
        using HostBlock scratch = HostMemory.Rent(count * sizeof(float));
        LayerBuffers buffers = new(new(scratch.Pointer<float>(), (int)count), Options, sizes);
        Project(default, memory, sizes, buffers, cache.Backend);
        cache.Append<float>(
            buffers.Key, buffers.Value, length, Rotary, 2 * keyWidth, 2 * keyWidth);
    }

    /// <summary>Cross-attention to the rows that a cache holds of a memory.</summary>
    /// <param name="query">[B, Sq, W]; B is the cache's.</param>
    /// <param name="queryLength">Sq.</param>
    /// <param name="memory">Filled by <see cref="AppendMemory"/>; only read. The call runs on its
    /// backend.</param>
    /// <param name="options">Scale, window, soft cap; causal alignment, if any.</param>
    /// <param name="output">[B, Sq, W]; may be the query itself.</param>
    /// <param name="extras">Mask and bias over the cache's rows, sinks, relative bias; no lengths,
    /// offsets or block mask.</param>
    /// <exception cref="ArgumentException">A span or the cache does not fit the layer, or an option
    /// is out of range.</exception>
    /// <exception cref="NotSupportedException">The cache's backend cannot run this call.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Forward(
        ReadOnlySpan<float> query, int queryLength, KvCache memory, in AttentionOptions options,
        Span<float> output, in AttentionExtras extras = default)
    {
        ArgumentNullException.ThrowIfNull(memory);
        LayerChecks.Cache(memory, Options, 0);
        LayerChecks.Extras(extras, Options);
        LayerChecks.CacheExtras(extras);
        LayerChecks.Positions("queryLength", queryLength, Options.Rotary);
        int batch = memory.Shape.Batch;
        int rows = LayerChecks.Count(batch, queryLength);
        LayerChecks.Rows("query", query.Length, rows, Options.Width);
        LayerChecks.Rows("output", output.Length, rows, Options.Width);
        LayerSizes sizes = new(batch, queryLength, 0, rows, 0, IsSelf: false);
        long count = LayerBuffers.Count(Options, sizes, logSumExp: false);
        using HostBlock scratch = HostMemory.Rent(count * sizeof(float));
        LayerBuffers buffers = new(new(scratch.Pointer<float>(), (int)count), Options, sizes);
        Project(query, default, sizes, buffers, memory.Backend);
        Rotate(buffers, sizes, extras, inverse: false, memory.Backend);
        AttentionInputs cached = memory.InputsFor(default, Options.Heads, queryLength, default);
        Attend(buffers, cached with { Options = options }, memory.Backend, extras);
        Linear.Forward(buffers.Heads, OutputWeight, OutputBias,
            new(rows, queryWidth, Options.Width), default, output, backend: memory.Backend);
    }

    /// <summary>Attention over a cache's rows.</summary>
    // By buffers and not by spans: a cache may hold another type, or more than a span can.
    private void Attend(
        in LayerBuffers buffers, in AttentionInputs cached, Backend backend,
        in AttentionExtras extras)
    {
        AttentionExtras terms = extras with
        {
            AlibiSlopes = Options.Alibi ? slopes : extras.AlibiSlopes,
        };
        fixed (float* q = buffers.Query, o = buffers.Heads)
        {
            FusedAttention.Run(terms, backend, new AttentionForward
            {
                Inputs = cached with
                {
                    Query = BufferView.Of(q, buffers.Query.Length),
                    QueryStrides = buffers.QueryStrides,
                    OutputStrides = buffers.HeadStrides,
                },
                Output = BufferView.Of(o, buffers.Heads.Length),
            });
        }
    }
}
