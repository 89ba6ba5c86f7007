using Transformer.Models.Graph;

namespace Transformer.Models.Layers;

/// <summary>Self-attention and feed-forward, each with residual, dropout and normalisation.
/// </summary>
/// <remarks>Vaswani et al. 2017, §3.1. With a causal visibility it is a layer of a decoder-only
/// model.</remarks>
public sealed class EncoderLayer
{
    private readonly FeedForward feedForward;
    private readonly Sublayer attentionSublayer;
    private readonly Sublayer feedForwardSublayer;

    /// <summary>Declares NAME.attention, NAME.attentionNorm, NAME.feedForward and
    /// NAME.feedForwardNorm.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="options">Sizes and choices.</param>
    /// <exception cref="ArgumentException">Heads do not divide the width.</exception>
    public EncoderLayer(ParameterSet parameters, string name, TransformerLayerOptions options)
    {
        Attention = new(parameters, $"{name}.attention", options.Attention);
        attentionSublayer = new(parameters, $"{name}.attention", options);
        feedForward = new(parameters, $"{name}.feedForward", options.Width, options.Hidden,
            options.Activation, options.HiddenDropout, options.Weights);
        feedForwardSublayer = new(parameters, $"{name}.feedForward", options);
    }

    /// <summary>The self-attention.</summary>
    public MultiHeadAttention Attention { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, S, D].</param>
    /// <param name="visibility">Key lengths, mask, causality, score output.</param>
    /// <returns>[B, S, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor x, AttentionNodeOptions? visibility = null) =>
        Finish(g, attentionSublayer.Apply(
            g, x, y => Attention.Apply(g, y, visibility: visibility)));

    /// <summary>Applies the layer to new positions whose predecessors are in caches.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, new, D].</param>
    /// <param name="cache">Where the new keys and values go.</param>
    /// <param name="visibility">Score output; causality and lengths are filled in.</param>
    /// <returns>[B, new, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor ApplyCached(
        GraphBuilder g, GraphTensor x, KeyValueCache cache,
        AttentionNodeOptions? visibility = null) =>
        Finish(g, attentionSublayer.Apply(
            g, x, y => Attention.ApplyCached(g, y, cache, visibility)));

    /// <summary>Applies the layer to new positions of which only the last of each sequence is
    /// wanted: all give keys and values, one attends and goes on.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, new, D].</param>
    /// <param name="cache">Where the new keys and values go; its lengths end with the wanted row.
    /// </param>
    /// <param name="rows">[B, 1] Int32: the wanted rows of x as a matrix.</param>
    /// <returns>[B, 1, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor ApplyCachedToLast(
        GraphBuilder g, GraphTensor x, KeyValueCache cache, GraphTensor rows) =>
        Finish(g, attentionSublayer.Apply(
            g, x, y => Attention.ApplyCached(g, y, cache, rows: rows), rows));

    private GraphTensor Finish(GraphBuilder g, GraphTensor x) =>
        feedForwardSublayer.Apply(g, x, y => feedForward.Apply(g, y));
}
