using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>The tables of an embedding.</summary>
internal sealed record EmbeddingTables(
    Parameter Table, Parameter? Positions, Parameter? Segments, double Scale);

/// <summary>Token, position and segment vectors summed.</summary>
internal sealed class EmbeddingNode : GraphNode
{
    private const string Op = "Embedding";

    private readonly EmbeddingTables tables;

    public EmbeddingNode(
        string name, GraphTensor ids, GraphTensor? positionIds, GraphTensor? segmentIds,
        EmbeddingTables tables)
        : base(name, [ids, positionIds, segmentIds], [Infer(name, ids, tables)])
    {
        this.tables = tables;
        Table = new(tables.Table);
        Positions = ParameterBlock.Of(tables.Positions);
        Segments = ParameterBlock.Of(tables.Segments);
        long width = tables.Table.Shape[1];
        NodeCheck.Table(Op, name, "position table", tables.Positions, width);
        NodeCheck.Table(Op, name, "segment table", tables.Segments, width);
        foreach (GraphTensor? side in (GraphTensor?[])[positionIds, segmentIds])
        {
            if (side is null) continue;
            NodeCheck.Type(Op, name, side, DType.Int32);
            NodeCheck.Shape(Op, name, side, ids.Shape, "one id for each token");
        }

        if (tables.Positions is { } positions && positionIds is null &&
            positions.Shape[0] < ids.Shape[1])
        {
            NodeCheck.Throw(Op, name, $"'{ids.Name}' has {ids.Shape[1]} tokens a sequence; " +
                $"position table '{positions.Name}' has {positions.Shape[0]} rows. Shorten the " +
                "text or use a model with more positions.");
        }

        if (positionIds is not null && tables.Positions is null)
        {
            NodeCheck.Throw(Op, name, "position ids need a position table. Pass both or neither.");
        }

        if ((segmentIds is null) != (tables.Segments is null))
        {
            NodeCheck.Throw(Op, name,
                "the segment table and segment ids go together. Pass both or neither.");
        }
    }

    public override string Kind => Op;

    public ParameterBlock Table { get; }

    public ParameterBlock? Positions { get; }

    public ParameterBlock? Segments { get; }

    public double Scale => tables.Scale;

    public override IEnumerable<ParameterBlock?> Parameters => [Table, Positions, Segments];

    public override void Bind(Binder binder) => binder.Emit(new EmbeddingForward
    {
        Ids = binder.View(Inputs[0]),
        Table = binder.Value(Table),
        PositionTable = binder.Value(Positions),
        PositionIds = binder.View(Inputs[1]),
        SegmentTable = binder.Value(Segments),
        SegmentIds = binder.View(Inputs[2]),
        Output = binder.View(Outputs[0]),
        Rows = Outputs[0].Rows,
        SequenceLength = Required(0).Width,
        Width = Outputs[0].Width,
        Scale = Scale,
    });

    public override void Differentiate(GradientBuilder gradients) =>
        gradients.Nodes.Add(
            new EmbeddingBackwardNode(this, gradients.Gradient(Outputs[0])!));

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        Check(checks, 0, tables.Table, "Use the model's own tokenizer.");
        Check(checks, 1, tables.Positions, "Shorten the text or use a model with more positions.");
        Check(checks, 2, tables.Segments, "Number segments from 0.");
    }

    private void Check(List<RangeCheck> checks, int slot, Parameter? table, string remedy)
    {
        if (Inputs[slot] is { Source: TensorSource.Input } ids && table is not null)
        {
            checks.Add(new(ids, 0, (int)table.Shape[0], null, $"{Op} '{Name}'",
                $"Table '{table.Name}' has {table.Shape[0]} rows. {remedy}"));
        }
    }

    private static GraphTensor Infer(string name, GraphTensor ids, EmbeddingTables tables)
    {
        NodeCheck.Type(Op, name, ids, DType.Int32);
        NodeCheck.Rank(Op, name, ids, 2, "[batch, sequence]");
        if (tables.Table.Shape.Rank != 2)
        {
            NodeCheck.Throw(Op, name, $"table '{tables.Table.Name}' has shape " +
                $"{tables.Table.Shape}; expected [vocabulary, width].");
        }

        return GraphTensor.Of(name, new(ids.Shape[0], ids.Shape[1], tables.Table.Shape[1]));
    }
}

internal sealed class EmbeddingBackwardNode(EmbeddingNode forward, GraphTensor outputGradient)
    : GraphNode(
        forward.Name, [outputGradient, forward.Inputs[0], forward.Inputs[1], forward.Inputs[2]], [])
{
    public override string Kind => "Embedding";

    public override OpDirection Direction => OpDirection.Backward;

    public override IEnumerable<ParameterBlock?> Parameters => forward.Parameters;

    public override bool HasSideEffect => true;

    public override void Bind(Binder binder) => binder.Emit(new EmbeddingBackward
    {
        OutputGradient = binder.View(Inputs[0]),
        Ids = binder.View(Inputs[1]),
        PositionIds = binder.View(Inputs[2]),
        SegmentIds = binder.Gradient(forward.Segments).IsPresent
            ? binder.View(Inputs[3]) : default,
        TableGradient = binder.Gradient(forward.Table),
        PositionTableGradient = binder.Gradient(forward.Positions),
        SegmentTableGradient = binder.Gradient(forward.Segments),
        Rows = Required(0).Rows,
        SequenceLength = Required(1).Width,
        Width = Required(0).Width,
        Scale = forward.Scale,
    });
}
