namespace Transformer.Models.Graph.Fusion;

/// <summary>A list of nodes in order of execution, with who writes and who reads each value, for
/// rewriting.</summary>
internal sealed class NodeList
{
    private readonly List<GraphNode?> nodes;
    private readonly HashSet<GraphTensor> outputs;
    private readonly Dictionary<GraphTensor, GraphNode> producers = [];
    private readonly Dictionary<GraphTensor, List<GraphNode>> consumers = [];
    private readonly Dictionary<GraphNode, int> positions = [];

    public NodeList(IEnumerable<GraphNode> nodes, IEnumerable<GraphTensor> outputs)
    {
        this.nodes = [.. nodes];
        this.outputs = [.. outputs];
        for (int i = 0; i < this.nodes.Count; i++) Index(this.nodes[i]!, i);
    }

    /// <summary>The nodes as they are now; safe to rewrite while walking it.</summary>
    public IReadOnlyList<GraphNode> Nodes => [.. nodes.OfType<GraphNode>()];

    public bool Contains(GraphNode node) => positions.ContainsKey(node);

    public bool IsOutput(GraphTensor tensor) => outputs.Contains(tensor);

    public IReadOnlyList<GraphNode> Consumers(GraphTensor tensor) =>
        consumers.TryGetValue(tensor, out List<GraphNode>? found) ? found : [];

    public T? Producer<T>(GraphTensor? tensor) where T : GraphNode =>
        tensor is not null && producers.TryGetValue(tensor, out GraphNode? node)
            ? node as T : null;

    /// <summary>The one node that reads the tensor; null where several do, or the host does.
    /// </summary>
    public T? OnlyConsumer<T>(GraphTensor tensor) where T : GraphNode =>
        !IsOutput(tensor) && Consumers(tensor) is [T node] ? node : null;

    /// <summary>Puts a node in the place of the first of those that it replaces.</summary>
    public void Replace(GraphNode replacement, params ReadOnlySpan<GraphNode> replaced)
    {
        int position = int.MaxValue;
        foreach (GraphNode node in replaced)
        {
            position = Math.Min(position, positions[node]);
            nodes[positions[node]] = null;
            positions.Remove(node);
            foreach (GraphTensor? input in node.Inputs)
            {
                if (input is not null) consumers[input].Remove(node);
            }

            foreach (GraphTensor output in node.Outputs) producers.Remove(output);
        }

        nodes[position] = replacement;
        Index(replacement, position);
    }

    private void Index(GraphNode node, int position)
    {
        positions[node] = position;
        foreach (GraphTensor output in node.Outputs) producers[output] = node;
        foreach (GraphTensor? input in node.Inputs)
        {
            if (input is null) continue;
            if (!consumers.TryGetValue(input, out List<GraphNode>? readers))
            {
                consumers[input] = readers = [];
            }

            if (!readers.Contains(node)) readers.Add(node);
        }
    }
}
