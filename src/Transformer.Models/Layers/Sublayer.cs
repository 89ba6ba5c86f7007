using Transformer.Models.Graph;

namespace Transformer.Models.Layers;

/// <summary>What surrounds each part of a layer: normalisation, dropout, residual connection.
/// </summary>
internal sealed class Sublayer(
    ParameterSet parameters, string name, TransformerLayerOptions options)
{
    private readonly LayerNormLayer norm =
        new(parameters, $"{name}Norm", options.Width, options.Epsilon);

    /// <summary>Post: norm(x + dropout(f(x))). Pre: x + dropout(f(norm(x))).</summary>
    public GraphTensor Apply(GraphBuilder g, GraphTensor x, Func<GraphTensor, GraphTensor> f)
    {
        bool pre = options.Norm == NormPlacement.Pre;
        GraphTensor inner = f(pre ? norm.Apply(g, x) : x);
        inner = g.Dropout(inner, options.Dropout, $"{name}.dropout");
        GraphTensor sum = g.Add(x, inner, $"{name}.residual");
        return pre ? sum : norm.Apply(g, sum);
    }
}
