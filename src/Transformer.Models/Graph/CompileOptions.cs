using Transformer.Backends;

namespace Transformer.Models.Graph;

/// <summary>How <see cref="GraphBuilder.Compile"/> turns a graph into kernel calls.</summary>
public sealed record CompileOptions
{
    /// <summary>Runs the graph; its memory must be that of the parameters.</summary>
    public required Backend Backend { get; init; }

    /// <summary>Adds the backward pass of the output <see cref="Loss"/> and keeps dropout.
    /// </summary>
    public bool Training { get; init; }

    /// <summary>Name of the output that is differentiated.</summary>
    public string Loss { get; init; } = "loss";

    /// <summary>Inputs whose gradients are wanted, too; each becomes the output
    /// <c>NAME.gradient</c>.</summary>
    public IReadOnlyList<string> InputGradients { get; init; } = [];

    /// <summary>Joins nodes into fused kernels; off for comparison and debugging.</summary>
    public bool Fuse { get; init; } = true;

    /// <summary>Gives a device all calls of a pass as one piece from the second run on, where the
    /// backend can record them; off for comparison and debugging.</summary>
    public bool Record { get; init; } = true;

    /// <summary>Memory shared with other graphs; null: the graph owns its memory.</summary>
    public GraphArena? Arena { get; init; }
}
