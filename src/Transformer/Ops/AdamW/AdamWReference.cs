using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>One AdamW step.</summary>
/// <remarks>
/// Formula: that of <see cref="AdamWForward"/>.
/// Shapes: [Length] each.
/// Work: one thread, one pass, one element at a time.
/// Bytes: parameter and moments read and written once, gradient read once; two roots and
/// divisions an element.
/// Numerics: double; the new moments enter the step before they are rounded for storage.
/// Preconditions: a validated call.
/// Source: Loshchilov, Hutter 2019, algorithm 2.
/// </remarks>
internal sealed class AdamWReference : IKernel<AdamWForward>
{
    public void Run(in AdamWForward call)
    {
        double scale =
            call.GradientScale.IsPresent ? ReferenceBuffers.Get(call.GradientScale, 0) : 1;
        double correction1 = 1 - Math.Pow(call.Beta1, call.Step);
        double correction2 = 1 - Math.Pow(call.Beta2, call.Step);
        for (long i = 0; i < call.Length; i++)
        {
            double gradient = ReferenceBuffers.Get(call.Gradient, i) * scale;
            double first = (call.Beta1 * ReferenceBuffers.Get(call.FirstMoment, i)) +
                ((1 - call.Beta1) * gradient);
            double second = (call.Beta2 * ReferenceBuffers.Get(call.SecondMoment, i)) +
                ((1 - call.Beta2) * gradient * gradient);
            double step = first / correction1 / (Math.Sqrt(second / correction2) + call.Epsilon);
            double parameter = ReferenceBuffers.Get(call.Parameter, i);
            parameter -= call.LearningRate * ((call.WeightDecay * parameter) + step);
            ReferenceBuffers.Set(call.Parameter, i, parameter);
            ReferenceBuffers.Set(call.FirstMoment, i, first);
            ReferenceBuffers.Set(call.SecondMoment, i, second);
        }
    }
}
