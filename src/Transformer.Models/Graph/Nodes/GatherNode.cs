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
