using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Dropout; the compiler removes it from graphs for inference.</summary>
internal sealed class DropoutNode : GraphNode
{
    public DropoutNode(string name, GraphTensor input, double probability, uint stream)
        : base(name, [input], [input.Like(name)])
    {
        NodeCheck.Type("Dropout", name, input, DType.Float32);
        if (!(probability >= 0 && probability < 1))
        {
            NodeCheck.Throw("Dropout", name,
                FormattableString.Invariant($"probability is {probability}; expected [0, 1)."));
        }

        Probability = (float)probability;
        Stream = stream;
    }

    public override string Kind => "Dropout";

    public float Probability { get; }

    public uint Stream { get; }

    public override bool MayShare(int output, int input) => true;

    public override void Bind(Binder binder) => binder.Emit(new DropoutForward
    {
        Input = binder.View(Inputs[0]),
        Output = binder.View(Outputs[0]),
        RandomState = binder.RandomState,
        Length = Outputs[0].Shape.ElementCount,
        Probability = Probability,
        Stream = Stream,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor input = Required(0);
        if (gradients.NewFor(input) is not { } result) return;
        gradients.Nodes.Add(
            new DropoutBackwardNode(this, gradients.Gradient(Outputs[0])!, result));
        gradients.Contribute(input, result);
    }
}

internal sealed class DropoutBackwardNode(
    DropoutNode forward, GraphTensor outputGradient, GraphTensor inputGradient)
    : GraphNode(forward.Name, [outputGradient], [inputGradient])
{
    public override string Kind => "Dropout";

    public override OpDirection Direction => OpDirection.Backward;

    public override bool MayShare(int output, int input) => true;

    public override void Bind(Binder binder) => binder.Emit(new DropoutBackward
    {
        OutputGradient = binder.View(Inputs[0]),
        InputGradient = binder.View(Outputs[0]),
        RandomState = binder.RandomState,
        Length = Outputs[0].Shape.ElementCount,
        Probability = forward.Probability,
        Stream = forward.Stream,
    });
}
