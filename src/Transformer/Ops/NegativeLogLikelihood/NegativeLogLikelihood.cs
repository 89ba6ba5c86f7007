using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a negative log-likelihood: log-probabilities [Outer, Classes, Inner].
/// </summary>
/// <param name="Outer">Product of the axes before the classes.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Inner">Product of the axes behind the classes; 1 where they are the last.</param>
public readonly record struct NegativeLogLikelihoodSizes(int Outer, int Classes, int Inner = 1);

/// <summary>Options of a negative log-likelihood; <c>default</c> is the plain mean.</summary>
public readonly record struct NegativeLogLikelihoodOptions
{
    /// <summary>Label that does not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>How the losses become one number.</summary>
    public LossReduction Reduction { get; init; }
}

/// <summary>Loss of labels under given log-probabilities, on spans.</summary>
/// <remarks>For logits use <see cref="SoftmaxCrossEntropy"/>, which stores no probabilities. Safe
/// to call from many threads; allocates nothing.</remarks>
public static unsafe class NegativeLogLikelihood
{
    /// <summary>losses[o, i] = −weight[label]·logProbabilities[o, label, i]; returns the reduced
    /// loss.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="logProbabilities">[Outer, Classes, Inner].</param>
    /// <param name="labels">[Outer, Inner], each in [0, Classes) or the ignored value.</param>
    /// <param name="classWeights">[Classes], 0 or more; empty means ones.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="losses">[Outer, Inner]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <returns>The weighted mean over labels that count, or the sum.</returns>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static float Forward<T>(
        ReadOnlySpan<T> logProbabilities, ReadOnlySpan<int> labels,
        ReadOnlySpan<float> classWeights, in NegativeLogLikelihoodSizes sizes,
        in NegativeLogLikelihoodOptions options, Span<float> losses = default,
        Backend? backend = null)
        where T : unmanaged
    {
        float loss;
        fixed (T* p = logProbabilities)
        fixed (float* w = classWeights, r = losses)
        fixed (int* t = labels)
        {
            SpanEntry.Run(backend, new NegativeLogLikelihoodForward
            {
                LogProbabilities = BufferView.Of(p, logProbabilities.Length),
                Labels = BufferView.Of(t, labels.Length),
                ClassWeights = BufferView.Of(w, classWeights.Length),
                Losses = BufferView.Of(r, losses.Length),
                Loss = BufferView.Of(&loss, 1),
                Outer = sizes.Outer,
                Classes = sizes.Classes,
                Inner = sizes.Inner,
                IgnoreIndex = options.IgnoreIndex,
                Reduction = options.Reduction,
            });
        }

        return loss;
    }

    /// <summary>Gradient of the forward call: −lossGradient·s·weight at the labels, 0 elsewhere;
    /// see <see cref="NegativeLogLikelihoodBackward"/> for s.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="labels">[Outer, Inner].</param>
    /// <param name="classWeights">[Classes] of the forward call; empty means ones.</param>
    /// <param name="lossGradient">Gradient that arrives at the loss; 1 where it is the end.
    /// </param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="logProbabilitiesGradient">[Outer, Classes, Inner], overwritten.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<int> labels, ReadOnlySpan<float> classWeights, float lossGradient,
        in NegativeLogLikelihoodSizes sizes, in NegativeLogLikelihoodOptions options,
        Span<T> logProbabilitiesGradient, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* dp = logProbabilitiesGradient)
        fixed (float* w = classWeights)
        fixed (int* t = labels)
        {
            SpanEntry.Run(backend, new NegativeLogLikelihoodBackward
            {
                Labels = BufferView.Of(t, labels.Length),
                ClassWeights = BufferView.Of(w, classWeights.Length),
                LossGradient = BufferView.Of(&lossGradient, 1),
                LogProbabilitiesGradient = BufferView.Of(dp, logProbabilitiesGradient.Length),
                Outer = sizes.Outer,
                Classes = sizes.Classes,
                Inner = sizes.Inner,
                IgnoreIndex = options.IgnoreIndex,
                Reduction = options.Reduction,
            });
        }
    }
}
