using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Norm of a gradient and the scale that clips it.</summary>
/// <remarks>
/// Formula: norm = √Σ gradient²; clipScale = min(1, MaxNorm / (norm + 1e-6)), 1 without MaxNorm.
/// Shapes: gradient [Length]; norm and scale [1].
/// Work: one thread, in the order of the elements.
/// Bytes: one read and one multiply-add an element.
/// Numerics: double; NaN in the gradient gives NaN in both results.
/// Preconditions: a validated call.
/// Source: Pascanu, Mikolov, Bengio 2013.
/// </remarks>
internal sealed class GradientNormReference : IKernel<GradientNormForward>
{
    // Keeps the quotient finite for a zero gradient; PyTorch's value.
    private const double NormFloor = 1e-6;

    public void Run(in GradientNormForward call)
    {
        double sum = 0;
        for (long i = 0; i < call.Length; i++)
        {
            double value = ReferenceBuffers.Get(call.Gradient, i);
            sum += value * value;
        }

        double norm = Math.Sqrt(sum);
        double scale = call.MaxNorm == 0 ? 1 : Math.Min(1, call.MaxNorm / (norm + NormFloor));
        ReferenceBuffers.Set(call.Norm, 0, norm);
        ReferenceBuffers.Set(call.ClipScale, 0, scale);
    }
}
