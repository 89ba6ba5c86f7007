using Transformer.Models.Graph.Nodes;

namespace Transformer.Models.Graph;

/// <summary>
/// Reverse-mode differentiation over a list of nodes: walks it backwards, asks each node for its
/// gradient rule, and sums the contributions of a tensor's consumers.
/// </summary>
internal sealed class GradientBuilder
{
    private readonly HashSet<GraphTensor> needed = [];
    private readonly Dictionary<GraphTensor, List<GraphTensor>> contributions = [];

    private GradientBuilder(IReadOnlyList<GraphNode> forward, IEnumerable<GraphTensor> wanted)
    {
        needed.UnionWith(wanted);
        foreach (GraphNode node in forward)
        {
            if (node.Parameters.Any(p => p is { Trainable: true }) || node.Inputs.Any(Needs))
            {
                needed.UnionWith(node.Outputs);
            }
        }
    }

    /// <summary>The backward nodes, in order of execution.</summary>
    public List<GraphNode> Nodes { get; } = [];

    /// <summary>Backward nodes of a graph.</summary>
    /// <param name="forward">Forward nodes in order of execution.</param>
    /// <param name="loss">What is differentiated.</param>
    /// <param name="lossGradient">The gradient that arrives there.</param>
    /// <param name="wanted">Inputs whose gradients are wanted.</param>
    /// <returns>The nodes, and the gradient of each wanted input (null: it does not reach the
    /// loss).</returns>
    public static (List<GraphNode> Nodes, List<GraphTensor?> Gradients) Differentiate(
        IReadOnlyList<GraphNode> forward, GraphTensor loss, GraphTensor lossGradient,
        IReadOnlyList<GraphTensor> wanted)
    {
        GradientBuilder builder = new(forward, wanted);
        builder.Contribute(loss, lossGradient);
        for (int i = forward.Count - 1; i >= 0; i--)
        {
            GraphNode node = forward[i];
            if (node.Outputs.Any(o => builder.Needs(o) && builder.contributions.ContainsKey(o)))
            {
                node.Differentiate(builder);
            }
        }

        List<GraphTensor?> gradients = [.. wanted.Select(builder.Gradient)];
        return (builder.Nodes, gradients);
    }

    /// <summary>Whether a trainable parameter or a wanted input reaches the tensor.</summary>
    public bool Needs(GraphTensor? tensor) => tensor is not null && needed.Contains(tensor);

    /// <summary>The sum of all contributions so far; null where there are none.</summary>
    public GraphTensor? Gradient(GraphTensor tensor)
    {
        if (!contributions.TryGetValue(tensor, out List<GraphTensor>? parts)) return null;
        while (parts.Count > 1)
        {
            AddNode sum = new(tensor.Name + ".gradientSum", parts[0], parts[1], backward: true);
            Nodes.Add(sum);
            parts.RemoveRange(0, 2);
            parts.Insert(0, sum.Outputs[0]);
        }

        return parts[0];
    }

    /// <summary>As <see cref="Gradient"/>, and forgets the contributions: the caller adds them
    /// itself and contributes the sum.</summary>
    public GraphTensor? Take(GraphTensor tensor)
    {
        GraphTensor? gradient = Gradient(tensor);
        contributions.Remove(tensor);
        return gradient;
    }

    /// <summary>Adds a gradient that one consumer sends to the tensor.</summary>
    public void Contribute(GraphTensor? tensor, GraphTensor gradient)
    {
        if (tensor is null || !Needs(tensor)) return;
        if (!contributions.TryGetValue(tensor, out List<GraphTensor>? parts))
        {
            contributions[tensor] = parts = [];
        }

        parts.Add(gradient);
    }

    /// <summary>A tensor for the gradient of another; null where none is needed.</summary>
    public GraphTensor? NewFor(GraphTensor tensor) =>
        Needs(tensor) ? tensor.Like(tensor.Name + ".gradient") : null;
}
