using Transformer.Models.Graph;
using Transformer.Ops;

namespace Transformer.Models.Layers;

/// <summary>Where the normalisation of a sublayer stands.</summary>
public enum NormPlacement
{
    /// <summary>norm(x + f(x)): Vaswani et al. 2017.</summary>
    Post,

    /// <summary>x + f(norm(x)): trains without warm-up; needs a norm after the last layer (Xiong
    /// et al.: "On Layer Normalization in the Transformer Architecture", 2020).</summary>
    Pre,
}

/// <summary>How the weights of a layer's products begin.</summary>
/// <param name="Inner">Of query, key, value and the first product of the feed-forward.</param>
/// <param name="Residual">Of the products whose results are added to the residual stream: the
/// attention's output and the second product of the feed-forward.</param>
public sealed record WeightInitializers(Initializer Inner, Initializer Residual);

/// <summary>Configuration of an encoder or decoder layer.</summary>
public sealed record TransformerLayerOptions
{
    internal const double DefaultEpsilon = 1e-5;

    /// <summary>D: width of the model.</summary>
    public required int Width { get; init; }

    /// <summary>Query heads; the width must be a multiple.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads; 0 means <see cref="Heads"/>.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Width between the products of the feed-forward; 0 means 4·<see cref="Width"/>.
    /// </summary>
    public int Hidden { get; init; }

    /// <summary>Of the feed-forward.</summary>
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>Where the normalisations stand.</summary>
    public NormPlacement Norm { get; init; }

    /// <summary>ε of the normalisations.</summary>
    public double Epsilon { get; init; } = DefaultEpsilon;

    /// <summary>Probability of dropping an element of a sublayer's output.</summary>
    public double Dropout { get; init; }

    /// <summary>Probability of dropping a hidden element of the feed-forward; 0 keeps the fused
    /// feed-forward call in training, too.</summary>
    public double HiddenDropout { get; init; }

    /// <summary>How weights begin; null: Xavier uniform.</summary>
    public WeightInitializers? Weights { get; init; }

    /// <summary>How self-attention learns of positions; null: not by itself.</summary>
    public AttentionPositions? Positions { get; init; }

    internal MultiHeadAttentionOptions Attention => new()
    {
        Weights = Weights,
        Width = Width,
        Heads = Heads,
        KeyValueHeads = KeyValueHeads,
        Positions = Positions,
    };
}
