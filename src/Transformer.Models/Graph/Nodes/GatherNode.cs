using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Chosen rows of a tensor: a lookup in it as if it were a table.</summary>
internal sealed class GatherNode : GraphNode
{
    private const string Op = "Gather";

    public GatherNode(string name, GraphTensor x, GraphTensor rows)
        : base(name, [x, rows], [Infer(name, x, rows)])
    {
    }

    public override string Kind => Op;

    public override void Bind(Binder binder) => binder.Emit(new EmbeddingForward
    {
        Ids = binder.View(Inputs[1]),
        Table = binder.View(Inputs[0]),
        Output = binder.View(Outputs[0]),
        Rows = Outputs[0].Rows,
        SequenceLength = Required(1).Width,
        Width = Outputs[0].Width,
        Scale = 1,
    });

    /// <summary>The gradient of x is zero but for the rows chosen, to which theirs are added.
    /// </summary>
    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor x = Required(0);
        if (!gradients.Needs(x)) return;
        ClearNode cleared = new($"{Name}.cleared", x.Shape);
        GatherBackwardNode added = new(
            Name, gradients.Gradient(Outputs[0])!, Required(1), cleared.Outputs[0]);
        gradients.Nodes.Add(cleared);
        gradients.Nodes.Add(added);
        gradients.Contribute(x, added.Outputs[0]);
    }

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        if (Inputs[1] is { Source: TensorSource.Input } rows)
        {
            checks.Add(new(rows, 0, Required(0).Rows, null, $"{Op} '{Name}'",
                $"'{Required(0).Name}' has {Required(0).Rows} rows. Choose one of them."));
        }
    }

    private static GraphTensor Infer(string name, GraphTensor x, GraphTensor rows)
    {
        NodeCheck.Type(Op, name, x, DType.Float32);
        NodeCheck.Rank(Op, name, x, 3, "[batch, sequence, width]");
        NodeCheck.Type(Op, name, rows, DType.Int32);
        NodeCheck.Rank(Op, name, rows, 2, "[batch, rows]");
        return GraphTensor.Of(name, new(rows.Shape[0], rows.Shape[1], x.Shape[2]));
    }
}

/// <summary>Writes zeros into a state of its own: the copy of one that nothing ever writes.
/// </summary>
internal sealed class ClearNode(string name, TensorShape shape)
    : GraphNode(
        name,
        [
            new("zeros", shape, DType.Float32, TensorSource.State),
            new($"{name}.state", shape, DType.Float32, TensorSource.State),
        ],
        [new GraphTensor(name, shape, DType.Float32, TensorSource.State)])
{
    public override string Kind => "Clear";

    public override OpDirection Direction => OpDirection.Backward;

    public override int AliasOf(int output) => 1;

    public override void Bind(Binder binder) => binder.Emit(new ActivationForward
    {
        Input = binder.View(Inputs[0]),
        Output = binder.View(Outputs[0]),
        Length = Outputs[0].Shape.ElementCount,
    });
}

/// <summary>Adds the gradients of chosen rows to the rows of a tensor.</summary>
internal sealed class GatherBackwardNode(
    string name, GraphTensor gradient, GraphTensor rows, GraphTensor target)
    : GraphNode(
        name, [gradient, rows, target],
        [new GraphTensor(
            $"{name}.inputGradient", target.Shape, DType.Float32, TensorSource.State)])
{
    public override string Kind => "Gather";

    public override OpDirection Direction => OpDirection.Backward;

    public override int AliasOf(int output) => 2;

    public override void Bind(Binder binder) => binder.Emit(new EmbeddingBackward
    {
        OutputGradient = binder.View(Inputs[0]),
        Ids = binder.View(Inputs[1]),
        TableGradient = binder.View(Outputs[0]),
        Rows = Required(0).Rows,
        SequenceLength = Required(1).Width,
        Width = Required(0).Width,
        Scale = 1,
    });
}
