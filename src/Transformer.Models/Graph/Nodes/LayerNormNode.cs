using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Layer normalisation; fusion adds the residual sum before it.</summary>
internal sealed class LayerNormNode : GraphNode
{
    private const string Op = "LayerNorm";

    public LayerNormNode(
        string name, GraphTensor input, Parameter? weight, Parameter? bias, double epsilon)
        : base(name, [input, null], Infer(name, input, weight, bias))
    {
        Weight = ParameterBlock.Of(weight);
        Bias = ParameterBlock.Of(bias);
        Epsilon = epsilon;
    }

    private LayerNormNode(LayerNormNode norm, AddNode add)
        : base(norm.Name, [add.Inputs[0], add.Inputs[1]], [.. norm.Outputs, add.Outputs[0]])
    {
        Weight = norm.Weight;
        Bias = norm.Bias;
        Epsilon = norm.Epsilon;
    }

    public override string Kind => HasResidual ? "Add+" + Op : Op;

    public ParameterBlock? Weight { get; }

    public ParameterBlock? Bias { get; }

    public double Epsilon { get; }

    public override IEnumerable<ParameterBlock?> Parameters => [Weight, Bias];

    private bool HasResidual => Inputs[1] is not null;

    /// <summary>Mean, inverse deviation and sum are written when something reads them.</summary>
    public override bool IsOptional(int output) => output > 0;

    public override bool MayShare(int output, int input) =>
        output == 3 || (output == 0 && input == 0);

    /// <summary>The sum of the two operands and its normalisation in one node.</summary>
    public LayerNormNode WithResidual(AddNode add) => new(this, add);

    public override void Bind(Binder binder) => binder.Emit(new LayerNormForward
    {
        Input = binder.View(Inputs[0]),
        Residual = binder.View(Inputs[1]),
        Weight = binder.Value(Weight),
        Bias = binder.Value(Bias),
        Sum = HasResidual ? binder.View(Outputs[3]) : default,
        Output = binder.View(Outputs[0]),
        Mean = binder.View(Outputs[1]),
        InverseStd = binder.View(Outputs[2]),
        Rows = Outputs[0].Rows,
        Width = Outputs[0].Width,
        Epsilon = Epsilon,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor sum = HasResidual ? Outputs[3] : Required(0);
        GraphTensor? outputGradient = gradients.Gradient(Outputs[0]);
        GraphTensor? sumGradient = gradients.Take(sum);
        if (outputGradient is null)
        {
            // Only the sum is used: the node is a plain addition.
            Contribute(gradients, sumGradient!);
            return;
        }

        GraphTensor result = sum.Like(sum.Name + ".gradient");
        gradients.Nodes.Add(
            new LayerNormBackwardNode(this, sum, outputGradient, sumGradient, result));
        Contribute(gradients, result);
    }

    private void Contribute(GradientBuilder gradients, GraphTensor gradient)
    {
        gradients.Contribute(Inputs[0], gradient);
        gradients.Contribute(Inputs[1], gradient);
    }

    private static GraphTensor[] Infer(
        string name, GraphTensor input, Parameter? weight, Parameter? bias)
    {
        NodeCheck.Type(Op, name, input, DType.Float32);
        NodeCheck.Vector(Op, name, "weight", weight, input.Shape[^1]);
        NodeCheck.Vector(Op, name, "bias", bias, input.Shape[^1]);
        TensorShape rows = new(input.Shape.Rows);
        return
        [
            input.Like(name), GraphTensor.Of(name + ".mean", rows),
            GraphTensor.Of(name + ".inverseStd", rows),
        ];
    }
}

internal sealed class LayerNormBackwardNode(
    LayerNormNode forward, GraphTensor sum, GraphTensor outputGradient, GraphTensor? sumGradient,
    GraphTensor inputGradient)
    : GraphNode(
        forward.Name,
        [sum, forward.Outputs[1], forward.Outputs[2], outputGradient, sumGradient],
        [inputGradient])
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override IEnumerable<ParameterBlock?> Parameters => forward.Parameters;

    public override bool HasSideEffect => Parameters.Any(p => p is { Trainable: true });

    public override bool MayShare(int output, int input) => input is 3 or 4;

    public override void Bind(Binder binder) => binder.Emit(new LayerNormBackward
    {
        Sum = binder.View(Inputs[0]),
        Weight = binder.Value(forward.Weight),
        Mean = binder.View(Inputs[1]),
        InverseStd = binder.View(Inputs[2]),
        OutputGradient = binder.View(Inputs[3]),
        SumGradient = binder.View(Inputs[4]),
        InputGradient = binder.View(Outputs[0]),
        WeightGradient = binder.Gradient(forward.Weight),
        BiasGradient = binder.Gradient(forward.Bias),
        Rows = Outputs[0].Rows,
        Width = Outputs[0].Width,
    });
}
