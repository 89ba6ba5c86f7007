using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Layers;

// Self-attention of new positions to those of a cache.
public sealed unsafe partial class MultiHeadAttention
{
    /// <summary>Self-attention of new positions: appends their keys and values to a cache, and
    /// attends, causally, to every row of it.</summary>
    /// <param name="input">[B, newLength, W]; B is the cache's.</param>
    /// <param name="newLength">New positions of every sequence: a prompt's, or 1.</param>
    /// <param name="cache">Past keys and values, rotated where the layer rotates; fp32, fp16 or
    /// bf16, contiguous or paged. The call runs on its backend.</param>
    /// <param name="options">Scale, window, soft cap; the alignment is BottomRight.</param>
    /// <param name="output">[B, newLength, W]; may be the input itself.</param>
    /// <param name="extras">Mask and bias over the cache's rows with the new ones, sinks, relative
    /// bias; no lengths, offsets or block mask.</param>
    /// <remarks>A sequence's new positions follow the rows that the cache holds of it. On the CPU
    /// steps give the bits of one call over the whole as long as the kernels take the same way,
    /// which depends on rows alone: products of up to 64 rows (16 where vectors are narrower than
    /// 512 bits), scores of up to 6 rows a key/value head, and up to 8 queries over more than 1024
    /// keys are added up in another order than larger ones.
    /// </remarks>
    /// <exception cref="ArgumentException">A span or the cache does not fit the layer, an option is
    /// out of range, or cache, pool or rotary tables have no room; the cache is as it was.
    /// </exception>
    /// <exception cref="NotSupportedException">The cache's backend cannot run this call; the cache
    /// is as it was.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Step(
        ReadOnlySpan<float> input, int newLength, KvCache cache, in AttentionOptions options,
        Span<float> output, in AttentionExtras extras = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        RequireSelf();
        OpCheck.Positive(Name, nameof(newLength), newLength,
            "Step with at least one new row a sequence.");
        LayerChecks.Cache(cache, Options, newLength);
        LayerChecks.Extras(extras, Options);
        LayerChecks.CacheExtras(extras);
        int batch = cache.Shape.Batch;
        int rows = LayerChecks.Count(batch, newLength);
        LayerChecks.Rows("input", input.Length, rows, Options.Width);
        LayerChecks.Rows("output", output.Length, rows, Options.Width);
        LayerSizes sizes = new(batch, newLength, newLength, rows, rows, IsSelf: true);
        long count = LayerBuffers.Count(Options, sizes, logSumExp: false);
        using HostBlock scratch = HostMemory.Rent(count * sizeof(float));
        LayerBuffers buffers =
            new(new(scratch.Pointer<float>(), (int)count), Options, sizes);
        Project(input, default, sizes, buffers, cache.Backend);
        RotateQueries(buffers, newLength, cache);
        cache.Append<float>(
            buffers.Key, buffers.Value, newLength, Rotary, packedWidth, packedWidth);
        bool attended = false;
        try
        {
            Attend(buffers, cache.InputsFor(default, Options.Heads, newLength, options),
                cache.Backend, extras);
            Linear.Forward(buffers.Heads, OutputWeight, OutputBias,
                new(rows, queryWidth, Options.Width), default, output, backend: cache.Backend);
            attended = true;
        }
        finally
        {
            for (int b = 0; !attended && b < batch; b++)
                cache.Truncate(b, cache.Lengths[b] - newLength);
        }
    }

    /// <summary>Rotates new queries by the positions that they will have in the cache; keys are
    /// rotated on their way into it.</summary>
    private void RotateQueries(in LayerBuffers buffers, int newLength, KvCache cache)
    {
        if (Options.Rotary is null) return;
        int batch = cache.Shape.Batch;
        using HostBlock ids = HostMemory.Rent((long)batch * newLength * sizeof(int));
        Span<int> positions = new(ids.Pointer<int>(), batch * newLength);
        for (int i = 0; i < positions.Length; i++)
        {
            (int b, int token) = Math.DivRem(i, newLength);
            positions[i] = cache.Lengths[b] + token;
        }

        RotaryEmbedding.Forward(buffers.Query, Rotary, new()
        {
            PositionIds = positions,
            InputStrides = buffers.QueryStrides,
            OutputStrides = buffers.QueryStrides,
        }, new(batch, Options.Heads, newLength, Options.HeadDimension), buffers.Query,
            cache.Backend);
    }
}
