using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>f(x), element by element; fused into the Linear before it where there is one.
/// </summary>
internal sealed class ActivationNode : GraphNode
{
    public ActivationNode(string name, GraphTensor input, Activation activation)
        : base(name, [input], [input.Like(name)])
    {
        NodeCheck.Type("Activation", name, input, DType.Float32);
        Activation = activation;
    }

    public override string Kind => Activation.ToString();

    public Activation Activation { get; }

    public override bool MayShare(int output, int input) => true;

    public override void Bind(Binder binder) => binder.Emit(new ActivationForward
    {
        Input = binder.View(Inputs[0]),
        Output = binder.View(Outputs[0]),
        Length = Outputs[0].Shape.ElementCount,
        Activation = Activation,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor input = Required(0);
        if (gradients.NewFor(input) is not { } result) return;
        gradients.Nodes.Add(
            new ActivationBackwardNode(this, gradients.Gradient(Outputs[0])!, result));
        gradients.Contribute(input, result);
    }
}

internal sealed class ActivationBackwardNode(
    ActivationNode forward, GraphTensor outputGradient, GraphTensor inputGradient)
    : GraphNode(forward.Name, [forward.Inputs[0], outputGradient], [inputGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override bool MayShare(int output, int input) => true;

    public override void Bind(Binder binder) => binder.Emit(new ActivationBackward
    {
        Input = binder.View(Inputs[0]),
        OutputGradient = binder.View(Inputs[1]),
        InputGradient = binder.View(Outputs[0]),
        Length = Outputs[0].Shape.ElementCount,
        Activation = forward.Activation,
    });
}
