using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Options of an AdamW step.</summary>
/// <param name="LearningRate">η.</param>
/// <param name="Beta1">β₁ in [0, 1): decay of the first moment.</param>
/// <param name="Beta2">β₂ in [0, 1): decay of the second moment.</param>
/// <param name="Epsilon">ε, added to the root.</param>
/// <param name="WeightDecay">λ, multiplied by η.</param>
public readonly record struct AdamWOptions(
    double LearningRate, double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8,
    double WeightDecay = 0.01);

/// <summary>Adam with decoupled weight decay in one pass, on spans.</summary>
/// <remarks>Loshchilov, Hutter 2019, algorithm 2. Safe to call from many threads; allocates
/// nothing.</remarks>
public static unsafe class AdamW
{
    /// <summary>Updates parameters and moments; see <see cref="AdamWForward"/> for the formula.
    /// </summary>
    /// <param name="gradient">[Length].</param>
    /// <param name="gradientScale">Multiplies the gradient: the scale that
    /// <see cref="GradientNorm"/> returns, or 1.</param>
    /// <param name="step">1 for the first step.</param>
    /// <param name="options">Rates.</param>
    /// <param name="parameter">[Length], updated.</param>
    /// <param name="firstMoment">[Length], updated; zeros before the first step.</param>
    /// <param name="secondMoment">[Length], updated; zeros before the first step.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Lengths differ, or an option is out of range.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Step(
        ReadOnlySpan<float> gradient, float gradientScale, int step, in AdamWOptions options,
        Span<float> parameter, Span<float> firstMoment, Span<float> secondMoment,
        Backend? backend = null)
    {
        fixed (float* g = gradient, p = parameter, m = firstMoment, v = secondMoment)
        {
            SpanEntry.Run(backend, new AdamWForward
            {
                Parameter = BufferView.Of(p, parameter.Length),
                Gradient = BufferView.Of(g, gradient.Length),
                FirstMoment = BufferView.Of(m, firstMoment.Length),
                SecondMoment = BufferView.Of(v, secondMoment.Length),
                GradientScale = BufferView.Of(&gradientScale, 1),
                Length = parameter.Length,
                LearningRate = options.LearningRate,
                Beta1 = options.Beta1,
                Beta2 = options.Beta2,
                Epsilon = options.Epsilon,
                WeightDecay = options.WeightDecay,
                Step = step,
            });
        }
    }
}
