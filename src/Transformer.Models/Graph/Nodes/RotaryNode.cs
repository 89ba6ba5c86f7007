using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Heads [B, S, H·D] rotated by their positions.</summary>
internal sealed class RotaryNode : GraphNode
{
    private const string Op = "RotaryEmbedding";

    private readonly RotarySizes sizes;
    private readonly ParameterBlock cosines;
    private readonly ParameterBlock sines;

    public RotaryNode(
        string name, GraphTensor input, int heads, Parameter cosines, Parameter sines,
        GraphTensor? positionIds)
        : base(name, [input, positionIds], [input.Like(name)])
    {
        this.cosines = new(cosines);
        this.sines = new(sines);
        NodeCheck.Type(Op, name, input, DType.Float32);
        NodeCheck.Rank(Op, name, input, 3, "[batch, sequence, heads · width]");
        if (heads < 1 || input.Width % heads != 0)
        {
            NodeCheck.Throw(Op, name,
                $"width {input.Width} is not divisible by {heads} heads. Choose a divisor.");
        }

        sizes = new((int)input.Shape[0], heads, (int)input.Shape[1], input.Width / heads);
        foreach (Parameter table in (Parameter[])[cosines, sines])
        {
            if (!table.Trainable && table.Shape.Rank == 2 &&
                table.Shape[1] * 2 == sizes.HeadDimension && table.Shape[0] == cosines.Shape[0])
            {
                continue;
            }

            NodeCheck.Throw(Op, name, $"table '{table.Name}' has shape {table.Shape}; expected " +
                $"constants [positions, {sizes.HeadDimension / 2}], as many positions in both. " +
                "Rotation takes heads of even width.");
        }

        if (positionIds is not null)
        {
            NodeCheck.Type(Op, name, positionIds, DType.Int32);
            NodeCheck.Shape(Op, name, positionIds, new(sizes.Batch, sizes.Length),
                "one position for each token");
        }
        else if (sizes.Length > cosines.Shape[0])
        {
            NodeCheck.Throw(Op, name, $"'{input.Name}' has {sizes.Length} positions; the tables " +
                $"have {cosines.Shape[0]}. Shorten the text or use a model with more positions.");
        }
    }

    public override string Kind => Op;

    public override IEnumerable<ParameterBlock?> Parameters => [cosines, sines];

    public override bool MayShare(int output, int input) => input == 0;

    public override void Bind(Binder binder) => binder.Emit(new RotaryEmbeddingForward
    {
        Inputs = BindInputs(binder, Inputs[1]),
        Input = binder.View(Inputs[0]),
        Output = binder.View(Outputs[0]),
    });

    /// <summary>What forward and backward have in common.</summary>
    public RotaryInputs BindInputs(Binder binder, GraphTensor? positionIds)
    {
        AttentionStrides strides = AttentionStrides.SequenceMajor(
            sizes.Heads, sizes.Length, sizes.HeadDimension);
        return new()
        {
            Tables = new()
            {
                Cosines = binder.Value(cosines),
                Sines = binder.Value(sines),
                MaxPositions = (int)cosines.First.Shape[0],
            },
            PositionIds = binder.View(positionIds),
            Sizes = sizes,
            InputStrides = strides,
            OutputStrides = strides,
        };
    }

    public override void Differentiate(GradientBuilder gradients)
    {
        if (gradients.NewFor(Required(0)) is not { } inputGradient) return;
        gradients.Nodes.Add(
            new RotaryBackwardNode(this, gradients.Gradient(Outputs[0])!, inputGradient));
        gradients.Contribute(Inputs[0], inputGradient);
    }

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        if (Inputs[1] is { Source: TensorSource.Input } ids)
        {
            checks.Add(new(ids, 0, (int)cosines.First.Shape[0], null, $"{Op} '{Name}'",
                $"The tables have {cosines.First.Shape[0]} positions. Shorten the text or use a " +
                "model with more positions."));
        }
    }
}

internal sealed class RotaryBackwardNode(
    RotaryNode forward, GraphTensor outputGradient, GraphTensor inputGradient)
    : GraphNode(forward.Name, [outputGradient, forward.Inputs[1]], [inputGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override bool MayShare(int output, int input) => input == 0;

    public override void Bind(Binder binder) => binder.Emit(new RotaryEmbeddingBackward
    {
        Inputs = forward.BindInputs(binder, Inputs[1]),
        OutputGradient = binder.View(Inputs[0]),
        InputGradient = binder.View(Outputs[0]),
    });
}
