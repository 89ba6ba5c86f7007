using System.Globalization;
using Transformer.Models.Graph.Fusion;
using Transformer.Models.Graph.Nodes;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>What compilation makes: nodes in order, their memory, and the names to reach it.
/// </summary>
internal sealed record GraphProgram
{
    public required string Name { get; init; }

    public required IReadOnlyList<GraphNode> Nodes { get; init; }

    public required int ForwardCount { get; init; }

    public required IReadOnlyDictionary<string, GraphTensor> Inputs { get; init; }

    public required IReadOnlyDictionary<string, GraphTensor> States { get; init; }

    public required IReadOnlyDictionary<string, GraphTensor> Outputs { get; init; }

    public required IReadOnlyDictionary<GraphTensor, GraphTensor> Aliases { get; init; }

    public required IReadOnlyDictionary<GraphTensor, long> Offsets { get; init; }

    public required MemoryPlan Plan { get; init; }

    /// <summary>An array: walking it allocates nothing.</summary>
    public required RangeCheck[] RangeChecks { get; init; }
}

/// <summary>Builder → program: removes what is not needed, fuses, differentiates, plans memory.
/// </summary>
internal static class GraphCompiler
{
    public const string LossGradient = "lossGradient";

    public static GraphProgram Compile(GraphBuilder graph, CompileOptions options)
    {
        Require(graph, options);
        Dictionary<string, GraphTensor> inputs = new(graph.Inputs);
        Dictionary<string, GraphTensor> outputs = new(graph.Outputs);
        List<GraphNode> nodes = RemoveDropout(graph.Nodes, outputs, options.Training);
        nodes = RemoveUnused(nodes, outputs.Values);
        if (options.Fuse)
        {
            NodeList list = new(nodes, outputs.Values);
            FusionPasses.Run(list, options.Training);
            nodes = [.. list.Nodes];
        }

        int forwardCount = nodes.Count;
        if (options.Training)
        {
            AddBackward(graph, options, nodes, inputs, outputs);
            List<GraphNode> backward = RemoveUnused(
                nodes.GetRange(forwardCount, nodes.Count - forwardCount), outputs.Values);
            nodes.RemoveRange(forwardCount, nodes.Count - forwardCount);
            nodes.AddRange(backward);
        }

        (MemoryPlan plan, Dictionary<GraphTensor, long> offsets) =
            MemoryPlanner.Plan(nodes, [.. outputs.Values]);
        List<RangeCheck> checks = [];
        foreach (GraphNode node in nodes) node.AddRangeChecks(checks);
        return new()
        {
            Name = graph.Name,
            Nodes = nodes,
            ForwardCount = forwardCount,
            Inputs = inputs,
            States = WithStatesOf(nodes, graph.States),
            Outputs = outputs,
            Aliases = FindAliases(nodes),
            Offsets = offsets,
            Plan = plan,
            RangeChecks = [.. checks],
        };
    }

    private static void Require(GraphBuilder graph, CompileOptions options)
    {
        if (graph.Outputs.Count == 0)
        {
            throw new ArgumentException(
                $"Graph '{graph.Name}': it has no output. Name one with Output.");
        }

        if (options.Arena is { } arena && arena.Backend.Memory != options.Backend.Memory)
        {
            throw new ArgumentException(
                $"Graph '{graph.Name}': the arena is of backend '{arena.Backend.Name}'; the " +
                $"graph is compiled for '{options.Backend.Name}'. Use an arena of that backend.");
        }

        if (options.Training && !graph.Outputs.ContainsKey(options.Loss))
        {
            throw new ArgumentException(
                $"Graph '{graph.Name}': training needs the output '{options.Loss}'; outputs are " +
                $"{string.Join(", ", graph.Outputs.Keys)}. Name the loss with Output.");
        }
    }

    private static List<GraphNode> RemoveDropout(
        IReadOnlyList<GraphNode> nodes, Dictionary<string, GraphTensor> outputs, bool training)
    {
        Dictionary<GraphTensor, GraphTensor> replaced = [];
        GraphTensor Substitute(GraphTensor tensor) => replaced.GetValueOrDefault(tensor, tensor);
        List<GraphNode> kept = new(nodes.Count);
        foreach (GraphNode node in nodes)
        {
            if (node is DropoutNode dropout && (!training || dropout.Probability == 0))
            {
                replaced.Add(node.Outputs[0], Substitute(node.Inputs[0]!));
            }
            else
            {
                kept.Add(replaced.Count == 0 ? node : node.With(Substitute));
            }
        }

        foreach ((string name, GraphTensor tensor) in outputs.ToArray())
        {
            outputs[name] = Substitute(tensor);
        }

        return kept;
    }

    private static List<GraphNode> RemoveUnused(
        List<GraphNode> nodes, IEnumerable<GraphTensor> outputs)
    {
        HashSet<GraphTensor> used = [.. outputs];
        List<GraphNode> kept = [];
        for (int i = nodes.Count - 1; i >= 0; i--)
        {
            GraphNode node = nodes[i];
            if (!node.HasSideEffect && !node.Outputs.Any(used.Contains)) continue;
            kept.Add(node);
            foreach (GraphTensor? input in node.Inputs)
            {
                if (input is not null) used.Add(input);
            }
        }

        kept.Reverse();
        return kept;
    }

    private static void AddBackward(
        GraphBuilder graph, CompileOptions options, List<GraphNode> nodes,
        Dictionary<string, GraphTensor> inputs, Dictionary<string, GraphTensor> outputs)
    {
        GraphTensor loss = outputs[options.Loss];
        GraphTensor lossGradient = new(
            LossGradient, loss.Shape, DType.Float32, TensorSource.Input);
        GraphTensor[] wanted = [.. options.InputGradients.Select(name =>
            graph.Inputs.TryGetValue(name, out GraphTensor? input)
                ? input
                : throw new ArgumentException(
                    $"Graph '{graph.Name}': the gradient of input '{name}' is wanted; inputs are " +
                    $"{string.Join(", ", graph.Inputs.Keys)}."))];
        (List<GraphNode> backward, List<GraphTensor?> gradients) =
            GradientBuilder.Differentiate(nodes, loss, lossGradient, wanted);
        inputs.Add(LossGradient, lossGradient);
        nodes.AddRange(backward);
        for (int i = 0; i < wanted.Length; i++)
        {
            outputs.Add($"{wanted[i].Name}.gradient", gradients[i] ?? throw new ArgumentException(
                $"Graph '{graph.Name}': the gradient of input '{wanted[i].Name}' is wanted; the " +
                $"input does not reach '{options.Loss}'."));
        }
    }

    /// <summary>States of the builder, and those that backward nodes bring with them.</summary>
    private static Dictionary<string, GraphTensor> WithStatesOf(
        List<GraphNode> nodes, IReadOnlyDictionary<string, GraphTensor> known)
    {
        Dictionary<string, GraphTensor> states = new(known);
        HashSet<GraphTensor> seen = [.. known.Values, .. nodes.SelectMany(n => n.Outputs)];
        foreach (GraphTensor tensor in nodes.SelectMany(n => n.Inputs).OfType<GraphTensor>())
        {
            if (tensor.Source == TensorSource.State && seen.Add(tensor))
                states.Add(string.Create(
                    CultureInfo.InvariantCulture, $"{tensor.Name}:{states.Count}"), tensor);
        }

        return states;
    }

    private static Dictionary<GraphTensor, GraphTensor> FindAliases(List<GraphNode> nodes)
    {
        Dictionary<GraphTensor, GraphTensor> aliases = [];
        foreach (GraphNode node in nodes)
        {
            for (int output = 0; output < node.Outputs.Length; output++)
            {
                int input = node.AliasOf(output);
                if (input < 0) continue;
                GraphTensor target = node.Inputs[input]!;
                aliases.Add(node.Outputs[output], aliases.GetValueOrDefault(target, target));
            }
        }

        return aliases;
    }
}
