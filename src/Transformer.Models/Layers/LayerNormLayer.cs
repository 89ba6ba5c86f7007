using Transformer.Models.Graph;

namespace Transformer.Models.Layers;

/// <summary>Layer normalisation with its own parameters NAME.weight and NAME.bias.</summary>
public sealed class LayerNormLayer
{
    private readonly string name;
    private readonly double epsilon;

    /// <summary>Declares the parameters: weight ones, bias zeros; they do not decay.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names, and name of the node.</param>
    /// <param name="width">Width of a row.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public LayerNormLayer(
        ParameterSet parameters, string name, int width, double epsilon = 1e-5)
    {
        this.name = name;
        this.epsilon = epsilon;
        Weight = parameters.Declare($"{name}.weight", new(width), Initializer.Ones, decay: false);
        Bias = parameters.Declare($"{name}.bias", new(width), Initializer.Zeros, decay: false);
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>[width].</summary>
    public Parameter Bias { get; }

    /// <summary>Normalises the rows of x.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[.., width].</param>
    /// <returns>[.., width].</returns>
    /// <exception cref="ArgumentException">The width does not fit.</exception>
    public GraphTensor Apply(GraphBuilder g, GraphTensor x) =>
        g.LayerNorm(x, Weight, Bias, epsilon, name);
}
