namespace Transformer.Models.Layers;

/// <summary>Where the layer normalisation of a residual block stands.</summary>
public enum NormPlacement
{
    /// <summary>x + f(norm(x)).</summary>
    Pre,

    /// <summary>norm(x + f(x)), as in Vaswani et al. 2017.</summary>
    Post,
}
