using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>left + right; also sums the gradients of a tensor's consumers.</summary>
internal sealed class AddNode : GraphNode
{
    private readonly bool backward;

    public AddNode(string name, GraphTensor left, GraphTensor right, bool backward = false)
        : base(name, [left, right], [left.Like(name)])
    {
        this.backward = backward;
        NodeCheck.Type("Add", name, left, DType.Float32);
        NodeCheck.Type("Add", name, right, DType.Float32);
        if (left.Shape != right.Shape)
        {
            NodeCheck.Throw("Add", name, $"'{left.Name}' has shape {left.Shape} and " +
                $"'{right.Name}' {right.Shape}; expected equal shapes.");
        }
    }

    public override string Kind => "Add";

    public override OpDirection Direction =>
        backward ? OpDirection.Backward : OpDirection.Forward;

    public override bool MayShare(int output, int input) => true;

    public override void Bind(Binder binder) => binder.Emit(new AddForward
    {
        Left = binder.View(Inputs[0]),
        Right = binder.View(Inputs[1]),
        Output = binder.View(Outputs[0]),
        Length = Outputs[0].Shape.ElementCount,
    });

    public override void Differentiate(GradientBuilder gradients)
    {
        GraphTensor gradient = gradients.Gradient(Outputs[0])!;
        gradients.Contribute(Inputs[0], gradient);
        gradients.Contribute(Inputs[1], gradient);
    }
}
