using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Softmax and cross entropy in one.</summary>
internal sealed class CrossEntropyNode : GraphNode
{
    private const string Op = "SoftmaxCrossEntropy";

    public CrossEntropyNode(
        string name, GraphTensor logits, GraphTensor labels, double labelSmoothing,
        int? ignoreIndex, LossReduction reduction)
        : base(name, [logits, labels], Infer(name, logits, labels))
    {
        if (!(labelSmoothing >= 0 && labelSmoothing < 1))
        {
            NodeCheck.Throw(Op, name, FormattableString.Invariant(
                $"label smoothing is {labelSmoothing}; expected [0, 1)."));
        }

        LabelSmoothing = labelSmoothing;
        IgnoreIndex = ignoreIndex;
        Reduction = reduction;
    }

    public override string Kind => Op;

    public double LabelSmoothing { get; }

    public int? IgnoreIndex { get; }

    public LossReduction Reduction { get; }

    public override void Bind(Binder binder) => binder.Emit(new SoftmaxCrossEntropyForward
    {
        Logits = binder.View(Inputs[0]),
        Labels = binder.View(Inputs[1]),
        LogSumExp = binder.View(Outputs[1]),
        Loss = binder.View(Outputs[0]),
        Rows = Required(0).Rows,
        Classes = Required(0).Width,
        LabelSmoothing = LabelSmoothing,
        IgnoreIndex = IgnoreIndex,
        Reduction = Reduction,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor logits = Required(0);
        if (gradients.NewFor(logits) is not { } result) return;
        gradients.Nodes.Add(
            new CrossEntropyBackwardNode(this, gradients.Gradient(Outputs[0])!, result));
        gradients.Contribute(logits, result);
    }

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        if (Inputs[1] is { Source: TensorSource.Input } labels)
        {
            checks.Add(new(labels, 0, Required(0).Width, IgnoreIndex, $"{Op} '{Name}'",
                $"There are {Required(0).Width} classes. Use the model's own tokenizer."));
        }
    }

    private static GraphTensor[] Infer(string name, GraphTensor logits, GraphTensor labels)
    {
        NodeCheck.Type(Op, name, logits, DType.Float32);
        NodeCheck.Type(Op, name, labels, DType.Int32);
        if (logits.Shape.Rank < 1 || labels.Shape.ElementCount != logits.Shape.Rows)
        {
            NodeCheck.Throw(Op, name, $"'{labels.Name}' has shape {labels.Shape} for logits " +
                $"{logits.Shape}; expected one label for each row of logits.");
        }

        return
        [
            GraphTensor.Of(name, new(1)),
            GraphTensor.Of(name + ".logSumExp", new(logits.Shape.Rows)),
        ];
    }
}

internal sealed class CrossEntropyBackwardNode(
    CrossEntropyNode forward, GraphTensor lossGradient, GraphTensor logitsGradient)
    : GraphNode(
        forward.Name,
        [forward.Inputs[0], forward.Inputs[1], forward.Outputs[1], lossGradient],
        [logitsGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override bool MayShare(int output, int input) => input == 0;

    public override void Bind(Binder binder) => binder.Emit(new SoftmaxCrossEntropyBackward
    {
        Logits = binder.View(Inputs[0]),
        Labels = binder.View(Inputs[1]),
        LogSumExp = binder.View(Inputs[2]),
        LossGradient = binder.View(Inputs[3]),
        LogitsGradient = binder.View(Outputs[0]),
        Rows = Required(0).Rows,
        Classes = Required(0).Width,
        LabelSmoothing = forward.LabelSmoothing,
        IgnoreIndex = forward.IgnoreIndex,
        Reduction = forward.Reduction,
    });
}
