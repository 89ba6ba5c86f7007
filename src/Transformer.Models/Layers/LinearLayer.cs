using Transformer.Models.Graph;
using Transformer.Ops;

namespace Transformer.Models.Layers;

/// <summary>x·Wᵀ + b with its own parameters NAME.weight and NAME.bias.</summary>
public sealed class LinearLayer
{
    /// <summary>Declares the parameters; the bias is zero at first.</summary>
    /// <param name="parameters">The model's parameters.</param>
    /// <param name="name">Prefix of the parameters' names, and name of the node.</param>
    /// <param name="inputWidth">Width of the input.</param>
    /// <param name="outputWidth">Width of the output.</param>
    /// <param name="bias">Whether there is a bias.</param>
    /// <param name="initializer">First values of the weight; null: Xavier uniform.</param>
    public LinearLayer(
        ParameterSet parameters, string name, int inputWidth, int outputWidth, bool bias = true,
        Initializer? initializer = null)
        : this(name,
            parameters.Declare($"{name}.weight", new(outputWidth, inputWidth),
                initializer ?? Initializer.XavierUniform()),
            bias
                ? parameters.Declare(
                    $"{name}.bias", new(outputWidth), Initializer.Zeros, decay: false)
                : null)
    {
    }

    /// <summary>Uses parameters that are declared already.</summary>
    /// <param name="name">Name of the node.</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out]; optional.</param>
    public LinearLayer(string name, Parameter weight, Parameter? bias)
    {
        Name = name;
        Weight = weight;
        Bias = bias;
    }

    /// <summary>Name of the node.</summary>
    public string Name { get; }

    /// <summary>[out, in].</summary>
    public Parameter Weight { get; }

    /// <summary>[out]; null: none.</summary>
    public Parameter? Bias { get; }

    /// <summary>activation(x·Wᵀ + b).</summary>
    /// <param name="g">The graph.</param>
    /// <param name="x">[.., in].</param>
    /// <param name="activation">Applied last.</param>
    /// <returns>[.., out].</returns>
    /// <exception cref="ArgumentException">The width does not fit.</exception>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor x, Activation activation = Activation.None) =>
        g.Linear(x, Weight, Bias, activation, Name);
}
