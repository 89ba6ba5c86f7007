using Transformer.Models.Graph;
using Transformer.Ops;

namespace Transformer.Models.Layers;

/// <summary>Causal self-attention, attention to the encoder's output, feed-forward, each with
/// residual, dropout and normalisation.</summary>
/// <remarks>Vaswani et al. 2017, §3.1.</remarks>
public sealed class DecoderLayer
{
    private readonly FeedForward feedForward;
    private readonly Sublayer attentionSublayer;
    private readonly Sublayer crossSublayer;
    private readonly Sublayer feedForwardSublayer;

    /// <summary>Declares NAME.attention, .crossAttention, .feedForward and their norms
    /// .attentionNorm, .crossAttentionNorm, .feedForwardNorm.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="options">Sizes and choices.</param>
    /// <exception cref="ArgumentException">Heads do not divide the width.</exception>
    public DecoderLayer(ParameterSet parameters, string name, TransformerLayerOptions options)
    {
        Attention = new(parameters, $"{name}.attention", options.Attention);
        attentionSublayer = new(parameters, $"{name}.attention", options);
        CrossAttention = new(parameters, $"{name}.crossAttention",
            options.Attention with { Positions = null });
        crossSublayer = new(parameters, $"{name}.crossAttention", options);
        feedForward = new(parameters, $"{name}.feedForward", options.Width, options.Hidden,
            options.Activation, options.HiddenDropout, options.Weights);
        feedForwardSublayer = new(parameters, $"{name}.feedForward", options);
    }

    /// <summary>The causal self-attention.</summary>
    public MultiHeadAttention Attention { get; }

    /// <summary>The attention to the encoder's output.</summary>
    public MultiHeadAttention CrossAttention { get; }

    /// <summary>Applies the layer to whole sequences.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, S, D].</param>
    /// <param name="memory">[B, Skv, D]: the encoder's output.</param>
    /// <param name="visibility">Of the self-attention; causal, top-left, unless it says
    /// otherwise.</param>
    /// <param name="crossVisibility">Of the attention to the memory: its lengths, score output.
    /// </param>
    /// <returns>[B, S, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor x, GraphTensor memory,
        AttentionNodeOptions? visibility = null, AttentionNodeOptions? crossVisibility = null)
    {
        visibility ??= new();
        if (visibility.Causal == CausalAlignment.None)
        {
            visibility = visibility with { Causal = CausalAlignment.TopLeft };
        }

        x = attentionSublayer.Apply(g, x, y => Attention.Apply(g, y, visibility: visibility));
        x = crossSublayer.Apply(g, x, y => CrossAttention.Apply(g, y, memory, crossVisibility));
        return feedForwardSublayer.Apply(g, x, y => feedForward.Apply(g, y));
    }

    /// <summary>Applies the layer to new positions whose predecessors are in caches.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, new, D].</param>
    /// <param name="cache">Where the new keys and values go.</param>
    /// <param name="memory">Keys and values of the encoder's output, from
    /// <see cref="MultiHeadAttention.ProjectKeyValue"/> of <see cref="CrossAttention"/>: values of
    /// this graph, or inputs or states that hold them.</param>
    /// <param name="visibility">Score output of the self-attention.</param>
    /// <param name="crossVisibility">Of the attention to the memory: its lengths, score output.
    /// </param>
    /// <returns>[B, new, D].</returns>
    /// <exception cref="ArgumentException">Types or shapes do not fit.</exception>
    public GraphTensor ApplyCached(
        GraphBuilder g, GraphTensor x, KeyValueCache cache, KeyValue memory,
        AttentionNodeOptions? visibility = null, AttentionNodeOptions? crossVisibility = null)
    {
        x = attentionSublayer.Apply(g, x, y => Attention.ApplyCached(g, y, cache, visibility));
        x = crossSublayer.Apply(
            g, x, y => CrossAttention.ApplyProjected(g, y, memory, crossVisibility));
        return feedForwardSublayer.Apply(g, x, y => feedForward.Apply(g, y));
    }
}
