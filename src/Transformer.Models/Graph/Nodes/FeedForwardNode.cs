using Transformer.Backends;
using Transformer.Ops;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Linear, activation and Linear in one call; made by fusion only.</summary>
internal sealed class FeedForwardNode : GraphNode
{
    public FeedForwardNode(LinearNode up, LinearNode down)
        : base(up.Name + "|" + down.Name, [up.Inputs[0]], [down.Outputs[0], up.Outputs[1]])
    {
        Up = up;
        Down = down;
    }

    public override string Kind => $"FeedForward+{Up.Activation}";

    public LinearNode Up { get; }

    public LinearNode Down { get; }

    public override IEnumerable<ParameterBlock?> Parameters =>
        [Up.Weight, Up.Bias, Down.Weight, Down.Bias];

    /// <summary>The hidden values before the activation are kept for the backward pass only.
    /// </summary>
    public override bool IsOptional(int output) => output == 1;

    public override void Bind(Binder binder) => binder.Emit(new GeluFeedForwardForward
    {
        Input = binder.View(Inputs[0]),
        Weight1 = binder.Value(Up.Weight),
        Bias1 = binder.Value(Up.Bias),
        Weight2 = binder.Value(Down.Weight),
        Bias2 = binder.Value(Down.Bias),
        Output = binder.View(Outputs[0]),
        PreActivation = binder.View(Outputs[1]),
        Rows = Outputs[0].Rows,
        Width = Required(0).Width,
        Hidden = Outputs[1].Width,
        OutputWidth = Outputs[0].Width,
        Activation = Up.Activation,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor? inputGradient = gradients.NewFor(Required(0));
        gradients.Nodes.Add(
            new FeedForwardBackwardNode(this, gradients.Gradient(Outputs[0])!, inputGradient));
        if (inputGradient is not null) gradients.Contribute(Inputs[0], inputGradient);
    }
}

internal sealed class FeedForwardBackwardNode(
    FeedForwardNode forward, GraphTensor outputGradient, GraphTensor? inputGradient)
    : GraphNode(
        forward.Name, [forward.Inputs[0], forward.Outputs[1], outputGradient],
        inputGradient is null ? [] : [inputGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override IEnumerable<ParameterBlock?> Parameters => forward.Parameters;

    public override bool HasSideEffect => true;

    public override void Bind(Binder binder) => binder.Emit(new GeluFeedForwardBackward
    {
        Input = binder.View(Inputs[0]),
        Weight1 = binder.Value(forward.Up.Weight),
        Weight2 = binder.Value(forward.Down.Weight),
        PreActivation = binder.View(Inputs[1]),
        OutputGradient = binder.View(Inputs[2]),
        InputGradient = Outputs.Length > 0 ? binder.View(Outputs[0]) : default,
        Weight1Gradient = binder.Gradient(forward.Up.Weight),
        Bias1Gradient = binder.Gradient(forward.Up.Bias),
        Weight2Gradient = binder.Gradient(forward.Down.Weight),
        Bias2Gradient = binder.Gradient(forward.Down.Bias),
        Rows = Required(0).Rows,
        Width = Required(0).Width,
        Hidden = Required(1).Width,
        OutputWidth = Required(2).Width,
        Activation = forward.Up.Activation,
    });
}
