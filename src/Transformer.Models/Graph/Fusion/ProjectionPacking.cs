using Transformer.Models.Graph.Nodes;
using Transformer.Ops;

namespace Transformer.Models.Graph.Fusion;

/// <summary>
/// Linears of one input whose weights are neighbours in memory (the query, key and value
/// projections of a layer) → one Linear with side-by-side outputs. Attention and cache append
/// then read columns of the packed output.
/// </summary>
internal static class ProjectionPacking
{
    public static void Run(NodeList nodes, bool training)
    {
        foreach (LinearNode first in nodes.Nodes.OfType<LinearNode>())
        {
            if (!nodes.Contains(first) || HasPrevious(nodes, first)) continue;
            List<LinearNode> run = [first];
            while (Next(nodes, run[^1]) is { } next) run.Add(next);
            if (run.Count < 2 || !ReadersTakeColumns(nodes, run, training)) continue;
            Pack(nodes, run);
        }
    }

    private static bool HasPrevious(NodeList nodes, LinearNode node) =>
        nodes.Consumers(node.Inputs[0]!).OfType<LinearNode>().Any(n => Joins(n, node));

    private static LinearNode? Next(NodeList nodes, LinearNode last) =>
        nodes.Consumers(last.Inputs[0]!).OfType<LinearNode>().FirstOrDefault(n => Joins(last, n));

    private static bool Joins(LinearNode first, LinearNode second) =>
        first.Activation == Activation.None && second.Activation == Activation.None &&
        Follows(first.Weight, second.Weight) && BiasesFollow(first, second);

    private static bool Follows(ParameterBlock first, ParameterBlock second) =>
        ParameterBlock.Follows(first.Parts[^1], second.First);

    private static bool BiasesFollow(LinearNode first, LinearNode second) =>
        first.Bias is null || second.Bias is null
            ? first.Bias is null && second.Bias is null
            : Follows(first.Bias, second.Bias);

    /// <summary>When training, one attention must read all parts, each once: its gradients then
    /// cover the packed gradient.</summary>
    private static bool ReadersTakeColumns(NodeList nodes, List<LinearNode> run, bool training)
    {
        AttentionNode? shared = nodes.OnlyConsumer<AttentionNode>(run[0].Outputs[0]);
        foreach (LinearNode node in run)
        {
            GraphTensor part = node.Outputs[0];
            if (nodes.IsOutput(part)) return false;
            foreach (GraphNode reader in nodes.Consumers(part))
            {
                bool takesColumns = reader switch
                {
                    AttentionNode attention => attention.ReadsOnce(part),
                    KvCacheAppendNode append => append.Inputs[0] == part,
                    _ => false,
                };
                if (!takesColumns) return false;
            }

            if (training && (shared is null ||
                nodes.OnlyConsumer<AttentionNode>(part) != shared))
            {
                return false;
            }
        }

        return true;
    }

    private static void Pack(NodeList nodes, List<LinearNode> run)
    {
        LinearNode packed = LinearNode.Pack(run);
        int column = 0;
        nodes.Replace(packed, [.. run]);
        foreach (LinearNode part in run)
        {
            GraphTensor operand = part.Outputs[0];
            foreach (GraphNode reader in nodes.Consumers(operand).ToArray())
            {
                GraphNode changed = reader is AttentionNode attention
                    ? attention.WithPacked(operand, packed.Outputs[0], column)
                    : ((KvCacheAppendNode)reader).WithPacked(operand, packed.Outputs[0], column);
                nodes.Replace(changed, reader);
            }

            column += operand.Width;
        }
    }
}
