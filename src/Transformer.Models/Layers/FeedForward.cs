using Transformer.Models.Graph;
using Transformer.Ops;

namespace Transformer.Models.Layers;

/// <summary>Linear, activation, (dropout,) Linear at each position.</summary>
/// <remarks>Vaswani et al. 2017, §3.3. Without dropout between the two products, compilation makes
/// one fused call of them.</remarks>
public sealed class FeedForward
{
    private readonly string name;
    private readonly Activation activation;
    private readonly double dropout;
    private readonly LinearLayer up;
    private readonly LinearLayer down;

    /// <summary>Declares NAME.up and NAME.down, each .weight and .bias.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="width">Width of input and output.</param>
    /// <param name="hidden">Width between; 0 means 4·width.</param>
    /// <param name="activation">ReLU or GELU.</param>
    /// <param name="dropout">Probability of dropping a hidden element, when training.</param>
    /// <param name="weights">How weights begin; null: Xavier uniform.</param>
    public FeedForward(
        ParameterSet parameters, string name, int width, int hidden = 0,
        Activation activation = Activation.Gelu, double dropout = 0,
        WeightInitializers? weights = null)
    {
        this.name = name;
        this.activation = activation;
        this.dropout = dropout;
        if (hidden == 0) hidden = 4 * width;
        up = new(parameters, $"{name}.up", width, hidden, initializer: weights?.Inner);
        down = new(parameters, $"{name}.down", hidden, width, initializer: weights?.Residual);
    }

    /// <summary>Applies the layer to each position.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[.., width].</param>
    /// <returns>[.., width].</returns>
    /// <exception cref="ArgumentException">The width does not fit.</exception>
    public GraphTensor Apply(GraphBuilder g, GraphTensor x)
    {
        GraphTensor hidden = up.Apply(g, x, activation);
        if (dropout > 0) hidden = g.Dropout(hidden, dropout, $"{name}.dropout");
        return down.Apply(g, hidden);
    }
}
