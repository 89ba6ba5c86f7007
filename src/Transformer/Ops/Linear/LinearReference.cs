using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Linear layer with activation, and its gradients.</summary>
/// <remarks>
/// Formula: output = f(input·weightᵀ + bias). Backward, g = outputGradient ⊙ f′(preActivation):
/// inputGradient = g·weight; weightGradient += gᵀ·input; biasGradient += column sums of g.
/// Shapes: input [Rows, InputFeatures]; weight [OutputFeatures, InputFeatures]; output [Rows,
/// OutputFeatures]; contiguous.
/// Work: one thread, three nested loops.
/// Bytes: every operand is copied to double once; 2·Rows·InputFeatures·OutputFeatures operations a
/// product.
/// Numerics: double; output and preActivation are each rounded once, from the same sum.
/// Preconditions: a validated call.
/// </remarks>
internal sealed class LinearReference : IKernel<LinearForward>, IKernel<LinearBackward>
{
    public void Run(in LinearForward call)
    {
        double[] output = ReferenceMatrix.Product(
            ReferenceBuffers.Read(call.Input), ReferenceBuffers.Read(call.Weight),
            ReferenceBuffers.Read(call.Bias), call.Rows, call.InputFeatures, call.OutputFeatures);
        ReferenceBuffers.Write(call.PreActivation, output);
        for (int i = 0; i < output.Length; i++)
        {
            output[i] = ActivationMath.Value(call.Activation, output[i]);
        }

        ReferenceBuffers.Write(call.Output, output);
    }

    public void Run(in LinearBackward call)
    {
        double[] input = ReferenceBuffers.Read(call.Input);
        double[] weight = ReferenceBuffers.Read(call.Weight);
        double[] gradient = ReferenceBuffers.Read(call.OutputGradient);
        for (int i = 0; call.Activation != Activation.None && i < gradient.Length; i++)
        {
            double preActivation = ReferenceBuffers.Get(call.PreActivation, i);
            gradient[i] *= ActivationMath.Derivative(call.Activation, preActivation);
        }

        if (call.InputGradient.IsPresent)
        {
            ReferenceBuffers.Write(call.InputGradient, ReferenceMatrix.InputGradient(
                gradient, weight, call.Rows, call.InputFeatures, call.OutputFeatures));
        }

        if (call.WeightGradient.IsPresent)
        {
            ReferenceBuffers.Add(call.WeightGradient, ReferenceMatrix.WeightGradient(
                gradient, input, call.Rows, call.InputFeatures, call.OutputFeatures));
        }

        ReferenceBuffers.Add(call.BiasGradient, ReferenceMatrix.BiasGradient(
            gradient, call.Rows, call.OutputFeatures));
    }
}
