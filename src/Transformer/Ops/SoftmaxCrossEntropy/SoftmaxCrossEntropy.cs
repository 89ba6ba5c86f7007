using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a cross entropy.</summary>
/// <param name="Rows">Rows: tokens.</param>
/// <param name="Classes">Classes: the vocabulary.</param>
public readonly record struct CrossEntropySizes(int Rows, int Classes);

/// <summary>Options of a cross entropy; <c>default</c> is the plain mean.</summary>
public readonly record struct CrossEntropyOptions
{
    /// <summary>ε in [0, 1): the target is (1 − ε)·one-hot + ε/Classes.</summary>
    public float LabelSmoothing { get; init; }

    /// <summary>Label of rows that do not count; null: none.</summary>
    public int? IgnoreIndex { get; init; }

    /// <summary>How the rows' losses become one number.</summary>
    public LossReduction Reduction { get; init; }
}

/// <summary>Cross entropy of a softmax without storing probabilities, on spans.</summary>
/// <remarks>Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class SoftmaxCrossEntropy
{
    /// <summary>loss[r] = log-sum-exp(logits[r]) − Σ target·logits[r]; returns the reduced loss.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="logits">[Rows, Classes].</param>
    /// <param name="labels">[Rows], each in [0, Classes) or the ignored value.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="logSumExp">[Rows], for the backward pass.</param>
    /// <param name="rowLosses">[Rows]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <returns>The mean over rows that count, or the sum, in nats.</returns>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static float Forward<T>(
        ReadOnlySpan<T> logits, ReadOnlySpan<int> labels, in CrossEntropySizes sizes,
        in CrossEntropyOptions options, Span<float> logSumExp, Span<float> rowLosses = default,
        Backend? backend = null)
        where T : unmanaged =>
        Forward(logits, labels, default, sizes, options, logSumExp, rowLosses, backend);

    /// <summary>The same with a weight for each class; see
    /// <see cref="SoftmaxCrossEntropyForward"/> for the formula.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="logits">[Rows, Classes].</param>
    /// <param name="labels">[Rows], each in [0, Classes) or the ignored value.</param>
    /// <param name="classWeights">[Classes], 0 or more; empty means ones.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="logSumExp">[Rows], for the backward pass.</param>
    /// <param name="rowLosses">[Rows]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <returns>The weighted mean over rows that count, or the sum, in nats.</returns>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static float Forward<T>(
        ReadOnlySpan<T> logits, ReadOnlySpan<int> labels, ReadOnlySpan<float> classWeights,
        in CrossEntropySizes sizes, in CrossEntropyOptions options, Span<float> logSumExp,
        Span<float> rowLosses = default, Backend? backend = null)
        where T : unmanaged
    {
        float loss;
        fixed (T* x = logits)
        fixed (float* w = classWeights, l = logSumExp, r = rowLosses)
        fixed (int* t = labels)
        {
            SpanEntry.Run(backend, new SoftmaxCrossEntropyForward
            {
                Logits = BufferView.Of(x, logits.Length),
                Labels = BufferView.Of(t, labels.Length),
                ClassWeights = BufferView.Of(w, classWeights.Length),
                RowLosses = BufferView.Of(r, rowLosses.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                Loss = BufferView.Of(&loss, 1),
                Rows = sizes.Rows,
                Classes = sizes.Classes,
                LabelSmoothing = options.LabelSmoothing,
                IgnoreIndex = options.IgnoreIndex,
                Reduction = options.Reduction,
            });
        }

        return loss;
    }

    /// <summary>logitsGradient = lossGradient · w · (softmax(logits) − target), w being 1 for the
    /// sum and 1/(rows that count) for the mean.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="logits">[Rows, Classes].</param>
    /// <param name="labels">[Rows].</param>
    /// <param name="logSumExp">[Rows] of the forward call.</param>
    /// <param name="lossGradient">Gradient that arrives at the loss; 1 where it is the end.
    /// </param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="logitsGradient">[Rows, Classes], overwritten; may be the logits themselves.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> logits, ReadOnlySpan<int> labels, ReadOnlySpan<float> logSumExp,
        float lossGradient, in CrossEntropySizes sizes, in CrossEntropyOptions options,
        Span<T> logitsGradient, Backend? backend = null)
        where T : unmanaged =>
        Backward(logits, labels, default, logSumExp, lossGradient, sizes, options, logitsGradient,
            backend);

    /// <summary>The same with a weight for each class; see
    /// <see cref="SoftmaxCrossEntropyBackward"/> for the formula.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="logits">[Rows, Classes].</param>
    /// <param name="labels">[Rows].</param>
    /// <param name="classWeights">[Classes] of the forward call; empty means ones.</param>
    /// <param name="logSumExp">[Rows] of the forward call.</param>
    /// <param name="lossGradient">Gradient that arrives at the loss; 1 where it is the end.
    /// </param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="logitsGradient">[Rows, Classes], overwritten; may be the logits themselves.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes, or a label is no class.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> logits, ReadOnlySpan<int> labels, ReadOnlySpan<float> classWeights,
        ReadOnlySpan<float> logSumExp, float lossGradient, in CrossEntropySizes sizes,
        in CrossEntropyOptions options, Span<T> logitsGradient, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = logits, dx = logitsGradient)
        fixed (float* w = classWeights, l = logSumExp)
        fixed (int* t = labels)
        {
            SpanEntry.Run(backend, new SoftmaxCrossEntropyBackward
            {
                Logits = BufferView.Of(x, logits.Length),
                Labels = BufferView.Of(t, labels.Length),
                ClassWeights = BufferView.Of(w, classWeights.Length),
                LogSumExp = BufferView.Of(l, logSumExp.Length),
                LossGradient = BufferView.Of(&lossGradient, 1),
                LogitsGradient = BufferView.Of(dx, logitsGradient.Length),
                Rows = sizes.Rows,
                Classes = sizes.Classes,
                LabelSmoothing = options.LabelSmoothing,
                IgnoreIndex = options.IgnoreIndex,
                Reduction = options.Reduction,
            });
        }
    }
}
