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
    /// <param name="g">The graph.</param>
    /// <param name="x">[B, S, D].</param>
    /// <param name="f">The part; may give fewer rows.</param>
    /// <param name="rows">[B, N] Int32: the rows of x that f gives; null: all.</param>
    public GraphTensor Apply(
        GraphBuilder g, GraphTensor x, Func<GraphTensor, GraphTensor> f, GraphTensor? rows = null)
    {
        bool pre = options.Norm == NormPlacement.Pre;
        GraphTensor inner = f(pre ? norm.Apply(g, x) : x);
        inner = g.Dropout(inner, options.Dropout, $"{name}.dropout");
        if (rows is not null) x = g.Gather(x, rows, $"{name}.rows");
        GraphTensor sum = g.Add(x, inner, $"{name}.residual");
        return pre ? sum : norm.Apply(g, sum);
    }
}
