namespace Transformer.Ops;

/// <summary>An element-wise function applied where a matrix product leaves its accumulators.
/// </summary>
public enum Activation
{
    /// <summary>f(x) = x.</summary>
    None,

    /// <summary>f(x) = max(x, 0).</summary>
    Relu,

    /// <summary>f(x) = x·Φ(x), Φ the normal distribution function (Hendrycks, Gimpel 2016).
    /// </summary>
    Gelu,

    /// <summary>f(x) = ½x(1 + tanh(√(2/π)(x + 0.044715x³))), GPT-2's approximation.</summary>
    GeluTanh,

    /// <summary>f(x) = tanh x: BERT's pooler (Devlin et al. 2018).</summary>
    Tanh,

    /// <summary>f(x) = x·σ(x), σ the logistic function; also called swish (Elfwing et al. 2017,
    /// Ramachandran et al. 2017).</summary>
    Silu,
}
