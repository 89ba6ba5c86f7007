using Transformer.Ops;

namespace Transformer.Layers;

/// <summary>Argument checks of <see cref="MultiHeadAttention"/>.</summary>
internal static class LayerChecks
{
    private const string Layer = nameof(MultiHeadAttention);

    /// <summary>Requires a span of [rows, width].</summary>
    public static void Rows(string argument, int length, int rows, int width)
    {
        if (length == OpCheck.Count(rows, width)) return;
        OpCheck.Throw(Layer, $"'{argument}' has {length} elements; expected " +
            $"{OpCheck.Count(rows, width)} for [{rows}, {width}]. Pass as many rows as batch and " +
            "length say.");
    }

    /// <summary>Requires a span of a parameter's size, or an empty one.</summary>
    public static void Gradient(string argument, int length, int expected)
    {
        if (length == 0 || length == expected) return;
        OpCheck.Throw(Layer, $"'{argument}' has {length} elements; expected {expected}, as the " +
            "layer's parameter has. Pass a span of that size, or none.");
    }

    /// <summary>Rows of padded sequences.</summary>
    public static int Count(int batch, int length)
    {
        OpCheck.NotNegative(Layer, "batch", batch);
        OpCheck.NotNegative(Layer, "length", length);
        long rows = (long)batch * length;
        if (rows <= int.MaxValue) return (int)rows;
        OpCheck.Throw(Layer, $"{batch} sequences of {length} positions are {rows} rows; " +
            $"expected at most {int.MaxValue}. Split the batch.");
        return 0;
    }

    /// <summary>Rows of packed sequences; without offsets, of padded ones.</summary>
    public static int Count(string argument, ReadOnlySpan<int> offsets, int batch, int length)
    {
        if (offsets.IsEmpty) return Count(batch, length);
        OpCheck.NotNegative(Layer, "batch", batch);
        OpCheck.NotNegative(Layer, "length", length);
        if (offsets.Length != (long)batch + 1)
        {
            OpCheck.Throw(Layer, $"'{argument}' has {offsets.Length} elements; expected " +
                $"{(long)batch + 1}, one more than sequences. Pass cumulative lengths from 0 on.");
        }

        for (int b = 0; b < batch; b++)
        {
            long rows = (long)offsets[b + 1] - offsets[b];
            if (offsets[b] >= 0 && rows >= 0 && rows <= length) continue;
            OpCheck.Throw(Layer, $"'{argument}[{b}..{b + 1}]' is {offsets[b]}, " +
                $"{offsets[b + 1]}; expected offsets that rise by 0 to the length {length}. Pass " +
                "cumulative lengths, and the longest as length.");
        }

        if (offsets[0] == 0) return offsets[^1];
        OpCheck.Throw(Layer, $"'{argument}[0]' is {offsets[0]}; expected 0. Pass cumulative " +
            "lengths from 0 on.");
        return 0;
    }

    /// <summary>Requires that the layer may fill in what it fills in.</summary>
    public static void Extras(in AttentionExtras extras, MultiHeadAttentionOptions options)
    {
        if (extras.QueryStrides != default || extras.KeyStrides != default ||
            extras.ValueStrides != default || extras.OutputStrides != default)
        {
            OpCheck.Throw(Layer, "'extras' has strides; the layer's projections lie in memory of " +
                "its own. Leave them out.");
        }

        if (!extras.BlockTable.IsEmpty || extras.PageSize != 0 || extras.PageCount != 0)
        {
            OpCheck.Throw(Layer, "'extras' has a block table; only caches are paged. Leave it " +
                "out, or call Step with a paged KvCache.");
        }

        if (!options.Alibi || extras.AlibiSlopes.IsEmpty) return;
        OpCheck.Throw(Layer, "'extras' has ALiBi slopes, and so has the layer. Leave one out.");
    }

    /// <summary>Offsets of packed self-attention: those of the queries are those of the keys.
    /// </summary>
    public static void SelfOffsets(in AttentionExtras extras)
    {
        if (extras.KeyOffsets.IsEmpty || extras.KeyOffsets.SequenceEqual(extras.QueryOffsets))
            return;
        OpCheck.Throw(Layer, "'extras.KeyOffsets' differ from 'extras.QueryOffsets'; " +
            "self-attention has one set of rows. Leave the key offsets out.");
    }

    /// <summary>Requires rotary tables for every position.</summary>
    public static void Positions(string argument, int length, RotaryOptions? rotary)
    {
        if (rotary is null || length <= rotary.MaxPositions) return;
        OpCheck.Throw(Layer, $"'{argument}' is {length}; expected at most {rotary.MaxPositions}, " +
            "the layer's Rotary.MaxPositions. Make the layer with more.");
    }

    /// <summary>Requires a cache of the layer's heads, with rotary tables for the new rows.
    /// </summary>
    public static void Cache(KvCache cache, MultiHeadAttentionOptions options, int newLength)
    {
        KvCacheShape shape = cache.Shape;
        int dimension = options.HeadDimension;
        if (shape.KeyValueHeads != options.KeyValueHeads || shape.HeadDimension != dimension ||
            shape.ValueDimension != dimension)
        {
            OpCheck.Throw(Layer, $"'cache' has {shape.KeyValueHeads} heads of " +
                $"{shape.HeadDimension} and {shape.ValueDimension}; expected " +
                $"{options.KeyValueHeads} of {dimension} and {dimension}. Make one with the " +
                "layer's Options.");
        }

        if (options.Rotary is null) return;
        for (int b = 0; b < shape.Batch; b++)
        {
            if ((long)cache.Lengths[b] + newLength <= options.Rotary.MaxPositions) continue;
            OpCheck.Throw(Layer, $"sequence {b} of 'cache' holds {cache.Lengths[b]} rows and " +
                $"gets {newLength} more; expected at most {options.Rotary.MaxPositions} in all, " +
                "the layer's Rotary.MaxPositions. Make the layer with more.");
        }
    }

    /// <summary>Requires extras that mean something over a cache.</summary>
    public static void CacheExtras(in AttentionExtras extras)
    {
        if (extras.KeyLengths.IsEmpty && extras.QueryOffsets.IsEmpty &&
            extras.KeyOffsets.IsEmpty && extras.BlockMask.IsEmpty)
        {
            return;
        }

        OpCheck.Throw(Layer, "'extras' has key lengths, offsets or a block mask; over a cache " +
            "the rows that it holds decide. Leave them out.");
    }
}
