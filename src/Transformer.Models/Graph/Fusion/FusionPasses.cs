using Transformer.Models.Graph.Nodes;
using Transformer.Ops;

namespace Transformer.Models.Graph.Fusion;

/// <summary>Rewrites of a forward node list into fewer, fused kernels, in a fixed order. They run
/// before differentiation, so that each fused node brings its own gradient rule.</summary>
internal static class FusionPasses
{
    public static void Run(NodeList nodes, bool training)
    {
        FuseActivations(nodes);
        FuseFeedForwards(nodes, training);
        ProjectionPacking.Run(nodes, training);
        FuseResidualNorms(nodes);
    }

    /// <summary>Linear, then activation → Linear with activation.</summary>
    private static void FuseActivations(NodeList nodes)
    {
        foreach (ActivationNode activation in nodes.Nodes.OfType<ActivationNode>())
        {
            GraphTensor input = activation.Inputs[0]!;
            if (nodes.Producer<LinearNode>(input) is { Activation: Activation.None } linear &&
                nodes.OnlyConsumer<ActivationNode>(input) is not null)
            {
                nodes.Replace(linear.WithActivation(activation), linear, activation);
            }
        }
    }

    /// <summary>Linear with activation, then Linear → one feed-forward call. When training, only
    /// where all weights train: the fused backward call computes all of their gradients.</summary>
    private static void FuseFeedForwards(NodeList nodes, bool training)
    {
        foreach (LinearNode down in nodes.Nodes.OfType<LinearNode>())
        {
            GraphTensor hidden = down.Inputs[0]!;
            if (down.Activation != Activation.None ||
                nodes.Producer<LinearNode>(hidden) is not { } up ||
                up.Activation == Activation.None ||
                nodes.OnlyConsumer<LinearNode>(hidden) is null)
            {
                continue;
            }

            bool trainable = up.Parameters.Concat(down.Parameters)
                .All(p => p is null or { Trainable: true });
            if (!training || trainable) nodes.Replace(new FeedForwardNode(up, down), up, down);
        }
    }

    /// <summary>Add, then LayerNorm of the sum → LayerNorm with residual. Other readers of the sum
    /// read it from the fused node.</summary>
    private static void FuseResidualNorms(NodeList nodes)
    {
        foreach (LayerNormNode norm in nodes.Nodes.OfType<LayerNormNode>())
        {
            if (nodes.Producer<AddNode>(norm.Inputs[0]) is { } add)
            {
                nodes.Replace(norm.WithResidual(add), add, norm);
            }
        }
    }
}
