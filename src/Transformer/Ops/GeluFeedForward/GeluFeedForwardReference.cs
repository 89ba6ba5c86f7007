using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Position-wise feed-forward network, and its gradients.</summary>
/// <remarks>
/// Formula: h = input·weight1ᵀ + bias1; output = f(h)·weight2ᵀ + bias2. Backward: a = f(h);
/// weight2Gradient += outputGradientᵀ·a; g = (outputGradient·weight2) ⊙ f′(h); weight1Gradient +=
/// gᵀ·input; inputGradient = g·weight1; the biases' gradients are column sums.
/// Shapes: input [Rows, Width]; weight1 [Hidden, Width]; weight2 [OutputWidth, Hidden]; output
/// [Rows, OutputWidth]; contiguous.
/// Work: one thread, two products forward, four backward.
/// Bytes: every operand is copied to double once; f(h) is computed anew in the backward pass.
/// Numerics: double; f(h) is not rounded between the products.
/// Preconditions: a validated call.
/// Source: Vaswani et al. 2017, §3.3.
/// </remarks>
internal sealed class GeluFeedForwardReference : IKernel<GeluFeedForwardForward>,
    IKernel<GeluFeedForwardBackward>
{
    public void Run(in GeluFeedForwardForward call)
    {
        double[] hidden = ReferenceMatrix.Product(
            ReferenceBuffers.Read(call.Input), ReferenceBuffers.Read(call.Weight1),
            ReferenceBuffers.Read(call.Bias1), call.Rows, call.Width, call.Hidden);
        ReferenceBuffers.Write(call.PreActivation, hidden);
        for (int i = 0; i < hidden.Length; i++)
        {
            hidden[i] = ActivationMath.Value(call.Activation, hidden[i]);
        }

        ReferenceBuffers.Write(call.Output, ReferenceMatrix.Product(
            hidden, ReferenceBuffers.Read(call.Weight2), ReferenceBuffers.Read(call.Bias2),
            call.Rows, call.Hidden, call.OutputWidth));
    }

    public void Run(in GeluFeedForwardBackward call)
    {
        double[] input = ReferenceBuffers.Read(call.Input);
        double[] weight1 = ReferenceBuffers.Read(call.Weight1);
        double[] weight2 = ReferenceBuffers.Read(call.Weight2);
        double[] preActivation = ReferenceBuffers.Read(call.PreActivation);
        double[] outputGradient = ReferenceBuffers.Read(call.OutputGradient);
        double[] activated = new double[preActivation.Length];
        double[] gradient = ReferenceMatrix.InputGradient(
            outputGradient, weight2, call.Rows, call.Hidden, call.OutputWidth);
        for (int i = 0; i < activated.Length; i++)
        {
            activated[i] = ActivationMath.Value(call.Activation, preActivation[i]);
            gradient[i] *= ActivationMath.Derivative(call.Activation, preActivation[i]);
        }

        if (call.InputGradient.IsPresent)
        {
            ReferenceBuffers.Write(call.InputGradient, ReferenceMatrix.InputGradient(
                gradient, weight1, call.Rows, call.Width, call.Hidden));
        }

        ReferenceBuffers.Add(call.Weight1Gradient, ReferenceMatrix.WeightGradient(
            gradient, input, call.Rows, call.Width, call.Hidden));
        ReferenceBuffers.Add(call.Bias1Gradient, ReferenceMatrix.BiasGradient(
            gradient, call.Rows, call.Hidden));
        ReferenceBuffers.Add(call.Weight2Gradient, ReferenceMatrix.WeightGradient(
            outputGradient, activated, call.Rows, call.Hidden, call.OutputWidth));
        ReferenceBuffers.Add(call.Bias2Gradient, ReferenceMatrix.BiasGradient(
            outputGradient, call.Rows, call.OutputWidth));
    }
}
