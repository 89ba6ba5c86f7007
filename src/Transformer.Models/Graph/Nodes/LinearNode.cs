using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>f(x·Wᵀ + b). Recorded without f; fusion adds it, and joins neighbouring weights.
/// </summary>
internal sealed class LinearNode : GraphNode
{
    private const string Op = "Linear";

    public LinearNode(string name, GraphTensor input, Parameter weight, Parameter? bias)
        : this(name, input, new ParameterBlock(weight), ParameterBlock.Of(bias),
            [GraphTensor.Of(name, Infer(name, input, weight, bias))])
    {
    }

    private LinearNode(
        string name, GraphTensor input, ParameterBlock weight, ParameterBlock? bias,
        GraphTensor[] outputs)
        : base(name, [input], outputs)
    {
        Weight = weight;
        Bias = bias;
    }

    public override string Kind => (Activation, Weight.Parts.Count) switch
    {
        (Activation.None, 1) => Op,
        (Activation.None, int parts) => $"{Op}×{parts}",
        _ => $"{Op}+{Activation}",
    };

    public ParameterBlock Weight { get; }

    public ParameterBlock? Bias { get; }

    public Activation Activation { get; private init; }

    public override IEnumerable<ParameterBlock?> Parameters => [Weight, Bias];

    /// <summary>Output 1, before the activation, is kept for the backward pass only.</summary>
    public override bool IsOptional(int output) => output == 1;

    public override void Bind(Binder binder) => binder.Emit(new LinearForward
    {
        Input = binder.View(Inputs[0]),
        Weight = binder.Value(Weight),
        Bias = binder.Value(Bias),
        Output = binder.View(Outputs[0]),
        PreActivation = Outputs.Length > 1 ? binder.View(Outputs[1]) : default,
        Rows = Outputs[0].Rows,
        InputFeatures = Required(0).Width,
        OutputFeatures = Outputs[0].Width,
        Activation = Activation,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor? inputGradient = gradients.NewFor(Required(0));
        gradients.Nodes.Add(
            new LinearBackwardNode(this, gradients.Gradient(Outputs[0])!, inputGradient));
        if (inputGradient is not null) gradients.Contribute(Inputs[0], inputGradient);
    }

    /// <summary>This node with an activation; its output becomes the pre-activation.</summary>
    public LinearNode WithActivation(ActivationNode activation) =>
        new(Name, Required(0), Weight, Bias, [activation.Outputs[0], Outputs[0]])
        {
            Activation = activation.Activation,
        };

    /// <summary>One node for several that read the same input, outputs side by side.</summary>
    public static LinearNode Pack(IReadOnlyList<LinearNode> nodes)
    {
        LinearNode first = nodes[0];
        string name = string.Join('|', nodes.Select(n => n.Name));
        ParameterBlock weight = new([.. nodes.SelectMany(n => n.Weight.Parts)]);
        ParameterBlock? bias = first.Bias is null
            ? null
            : new([.. nodes.SelectMany(n => n.Bias!.Parts)]);
        GraphTensor input = first.Required(0);
        return new(name, input, weight, bias,
            [GraphTensor.Of(name, input.WithWidth(weight.Shape[0]))]);
    }

    private static TensorShape Infer(
        string name, GraphTensor input, Parameter weight, Parameter? bias)
    {
        NodeCheck.Type(Op, name, input, DType.Float32);
        if (weight.Shape.Rank != 2 || input.Shape.Rank < 1)
        {
            NodeCheck.Throw(Op, name, $"input {input.Shape} and weight '{weight.Name}' " +
                $"{weight.Shape}; expected [.., in] and [out, in].");
        }

        if (input.Shape[^1] != weight.Shape[1])
        {
            NodeCheck.Throw(Op, name, $"input has {input.Shape[^1]} features; weight " +
                $"{weight.Shape} expects {weight.Shape[1]}. Change the layer before it or the " +
                "weight.");
        }

        NodeCheck.Vector(Op, name, "bias", bias, weight.Shape[0]);
        return input.WithWidth(weight.Shape[0]);
    }
}

internal sealed class LinearBackwardNode(
    LinearNode forward, GraphTensor outputGradient, GraphTensor? inputGradient)
    : GraphNode(
        forward.Name,
        [forward.Inputs[0], forward.Activation == Activation.None ? null : forward.Outputs[1],
            outputGradient],
        inputGradient is null ? [] : [inputGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override IEnumerable<ParameterBlock?> Parameters => forward.Parameters;

    public override bool HasSideEffect => Parameters.Any(p => p is { Trainable: true });

    public override void Bind(Binder binder) => binder.Emit(new LinearBackward
    {
        Input = binder.View(Inputs[0]),
        Weight = binder.Value(forward.Weight),
        PreActivation = binder.View(Inputs[1]),
        OutputGradient = binder.View(Inputs[2]),
        InputGradient = Outputs.Length > 0 ? binder.View(Outputs[0]) : default,
        WeightGradient = binder.Gradient(forward.Weight),
        BiasGradient = binder.Gradient(forward.Bias),
        Rows = Required(2).Rows,
        InputFeatures = Required(0).Width,
        OutputFeatures = Required(2).Width,
        Activation = forward.Activation,
    });
}
