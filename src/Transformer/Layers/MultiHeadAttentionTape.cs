using Transformer.Ops;

namespace Transformer.Layers;

/// <summary>What a forward call of a <see cref="MultiHeadAttention"/> layer leaves for its backward
/// call: projections, heads and log-sum-exps.</summary>
/// <remarks>Yours to keep and to pass to one call after the other; its memory grows to the largest
/// call's and stays. One for each call whose backward call is still to come. Used by one thread at
/// a time.</remarks>
public sealed class MultiHeadAttentionTape
{
    private AlignedFloats floats;

    /// <summary>Whose forward call it holds; null before the first and after one that failed.
    /// </summary>
    internal MultiHeadAttention? Layer { get; private set; }

    internal LayerSizes Sizes { get; private set; }

    internal AttentionOptions Options { get; private set; }

    /// <summary>Makes room for a call; what was there is lost.</summary>
    /// <param name="count">Of <see cref="LayerBuffers.Count"/>.</param>
    internal Span<float> Begin(long count)
    {
        Layer = null;
        if (floats.Length < count) floats = new((int)count);
        return floats.Span;
    }

    /// <summary>The call ran to its end.</summary>
    internal void End(MultiHeadAttention layer, in LayerSizes sizes, in AttentionOptions options)
    {
        Layer = layer;
        Sizes = sizes;
        Options = options;
    }

    /// <summary>What <see cref="Begin"/> gave.</summary>
    internal Span<float> Floats => floats.Span;
}
