using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>An activation on its own, and its gradient.</summary>
/// <remarks>
/// Formula: output[i] = f(input[i]); inputGradient[i] = outputGradient[i]·f′(input[i]).
/// Shapes: [Length] each; the result may lie over any operand.
/// Work: one thread, one pass, one element at a time.
/// Bytes: each operand read and the result written once.
/// Numerics: double, one rounding on writing.
/// Preconditions: a validated call.
/// </remarks>
internal sealed class ActivationReference
    : IKernel<ActivationForward>, IKernel<ActivationBackward>
{
    public void Run(in ActivationForward call)
    {
        for (long i = 0; i < call.Length; i++)
        {
            double x = ReferenceBuffers.Get(call.Input, i);
            ReferenceBuffers.Set(call.Output, i, ActivationMath.Value(call.Activation, x));
        }
    }

    public void Run(in ActivationBackward call)
    {
        for (long i = 0; i < call.Length; i++)
        {
            double slope = ActivationMath.Derivative(
                call.Activation, ReferenceBuffers.Get(call.Input, i));
            ReferenceBuffers.Set(
                call.InputGradient, i, slope * ReferenceBuffers.Get(call.OutputGradient, i));
        }
    }
}
