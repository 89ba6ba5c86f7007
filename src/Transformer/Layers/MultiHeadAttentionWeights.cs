namespace Transformer.Layers;

/// <summary>The weights of a <see cref="MultiHeadAttention"/> layer as separate matrices, each
/// [output features, input features] as PyTorch's Linear has them.</summary>
/// <remarks>PyTorch's MultiheadAttention with a <c>kdim</c> has these as <c>q_proj_weight</c>,
/// <c>k_proj_weight</c> and <c>v_proj_weight</c>, with the three biases one after the other in
/// <c>in_proj_bias</c>.</remarks>
public readonly ref struct MultiHeadAttentionWeights
{
    /// <summary>[Hq·D, W].</summary>
    public ReadOnlySpan<float> Query { get; init; }

    /// <summary>[Hkv·D, M].</summary>
    public ReadOnlySpan<float> Key { get; init; }

    /// <summary>[Hkv·D, M].</summary>
    public ReadOnlySpan<float> Value { get; init; }

    /// <summary>[W, Hq·D].</summary>
    public ReadOnlySpan<float> Output { get; init; }

    /// <summary>[Hq·D]; empty: zeros. Empty, as the other biases, for a layer without.</summary>
    public ReadOnlySpan<float> QueryBias { get; init; }

    /// <summary>[Hkv·D]; empty: zeros.</summary>
    public ReadOnlySpan<float> KeyBias { get; init; }

    /// <summary>[Hkv·D]; empty: zeros.</summary>
    public ReadOnlySpan<float> ValueBias { get; init; }

    /// <summary>[W]; empty: zeros.</summary>
    public ReadOnlySpan<float> OutputBias { get; init; }
}

/// <summary>Gradients of a layer's parameters, laid out as the parameters are; each is added to,
/// and may be empty where it is not wanted.</summary>
public readonly ref struct MultiHeadAttentionGradients
{
    /// <summary>As <see cref="MultiHeadAttention.ProjectionWeight"/>.</summary>
    public Span<float> ProjectionWeight { get; init; }

    /// <summary>As <see cref="MultiHeadAttention.ProjectionBias"/>.</summary>
    public Span<float> ProjectionBias { get; init; }

    /// <summary>As <see cref="MultiHeadAttention.OutputWeight"/>.</summary>
    public Span<float> OutputWeight { get; init; }

    /// <summary>As <see cref="MultiHeadAttention.OutputBias"/>.</summary>
    public Span<float> OutputBias { get; init; }
}
