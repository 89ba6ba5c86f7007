using Transformer.Backends;

namespace Transformer.Models.Graph;

/// <summary>
/// One op of a graph: its operands, its gradient rule, and how it becomes a kernel call. A new op
/// is one subclass and one method of <see cref="GraphBuilder"/>.
/// </summary>
/// <remarks>Nodes are immutable and shared by all graphs compiled from one builder; fusion and
/// removal of nodes work on lists of nodes and make new nodes where operands change.</remarks>
internal abstract class GraphNode(string name, GraphTensor?[] inputs, GraphTensor[] outputs)
{
    public string Name { get; } = name;

    /// <summary>Operands in fixed slots; null where an optional one is not given.</summary>
    public GraphTensor?[] Inputs { get; private set; } = inputs;

    public GraphTensor[] Outputs { get; } = outputs;

    /// <summary>What the node is, for listings: the op and what is fused into it.</summary>
    public abstract string Kind { get; }

    public virtual OpDirection Direction => OpDirection.Forward;

    /// <summary>The node's parameters, values or gradients as its direction says.</summary>
    public virtual IEnumerable<ParameterBlock?> Parameters => [];

    /// <summary>Whether the node must run though nothing reads its outputs.</summary>
    public virtual bool HasSideEffect => false;

    /// <summary>Whether the output needs no memory when nothing reads it.</summary>
    public virtual bool IsOptional(int output) => false;

    /// <summary>Whether the kernel may write the output over the input.</summary>
    public virtual bool MayShare(int output, int input) => false;

    /// <summary>The input whose memory the output is, or −1.</summary>
    public virtual int AliasOf(int output) => -1;

    /// <summary>Emits exactly one kernel call.</summary>
    public abstract void Bind(Binder binder);

    /// <summary>The gradient rule: emits backward nodes and contributes gradients.</summary>
    public virtual void Differentiate(GradientBuilder gradients) => throw new
        NotSupportedException($"{Kind} '{Name}' has no gradient. Compile it for inference only.");

    /// <summary>Adds the bounds that integer inputs must keep.</summary>
    public virtual void AddRangeChecks(List<RangeCheck> checks)
    {
    }

    /// <summary>The same node reading other tensors; itself where nothing changes.</summary>
    public GraphNode With(Func<GraphTensor, GraphTensor> substitute)
    {
        GraphTensor?[] changed = Array.ConvertAll(Inputs, t => t is null ? null : substitute(t));
        if (changed.AsSpan().SequenceEqual(Inputs)) return this;
        GraphNode copy = (GraphNode)MemberwiseClone();
        copy.Inputs = changed;
        return copy;
    }

    protected GraphTensor Required(int slot) => Inputs[slot]!;
}
