using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a linear layer.</summary>
/// <param name="Rows">Rows of input and output: tokens.</param>
/// <param name="InputFeatures">Width of the input.</param>
/// <param name="OutputFeatures">Width of the output.</param>
public readonly record struct LinearSizes(int Rows, int InputFeatures, int OutputFeatures);

/// <summary>Options of a linear layer; <c>default</c> is none.</summary>
public readonly record struct LinearOptions
{
    /// <summary>Applied to the product with bias.</summary>
    public Activation Activation { get; init; }
}

/// <summary>A linear layer with bias and activation in one pass, on spans.</summary>
/// <remarks>Where a span may be empty, empty means absent. Safe to call from many threads;
/// allocates nothing.</remarks>
public static unsafe class Linear
{
    /// <summary>output = f(input · weightᵀ + bias).</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, InputFeatures].</param>
    /// <param name="weight">[OutputFeatures, InputFeatures].</param>
    /// <param name="bias">[OutputFeatures]; may be empty.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, OutputFeatures].</param>
    /// <param name="preActivation">[Rows, OutputFeatures], what the activation is applied to, for
    /// the backward pass; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> weight, ReadOnlySpan<T> bias,
        in LinearSizes sizes, in LinearOptions options, Span<T> output,
        Span<T> preActivation = default, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w = weight, b = bias, y = output, z = preActivation)
        {
            SpanEntry.Run(backend, new LinearForward
            {
                Input = BufferView.Of(x, input.Length),
                Weight = BufferView.Of(w, weight.Length),
                Bias = BufferView.Of(b, bias.Length),
                Output = BufferView.Of(y, output.Length),
                PreActivation = BufferView.Of(z, preActivation.Length),
                Rows = sizes.Rows,
                InputFeatures = sizes.InputFeatures,
                OutputFeatures = sizes.OutputFeatures,
                Activation = options.Activation,
            });
        }
    }

    /// <summary>Gradients of the forward call; see <see cref="LinearBackward"/> for the formula.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, InputFeatures].</param>
    /// <param name="weight">[OutputFeatures, InputFeatures].</param>
    /// <param name="preActivation">[Rows, OutputFeatures] of the forward call; empty where there
    /// is no activation.</param>
    /// <param name="outputGradient">[Rows, OutputFeatures].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="inputGradient">[Rows, InputFeatures], overwritten; may be empty.</param>
    /// <param name="weightGradient">[OutputFeatures, InputFeatures], added to; may be empty.
    /// </param>
    /// <param name="biasGradient">[OutputFeatures], added to; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> weight, ReadOnlySpan<T> preActivation,
        ReadOnlySpan<T> outputGradient, in LinearSizes sizes, in LinearOptions options,
        Span<T> inputGradient, Span<T> weightGradient, Span<T> biasGradient = default,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w = weight, z = preActivation, dy = outputGradient,
            dx = inputGradient, dw = weightGradient, db = biasGradient)
        {
            SpanEntry.Run(backend, new LinearBackward
            {
                Input = BufferView.Of(x, input.Length),
                Weight = BufferView.Of(w, weight.Length),
                PreActivation = BufferView.Of(z, preActivation.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                WeightGradient = BufferView.Of(dw, weightGradient.Length),
                BiasGradient = BufferView.Of(db, biasGradient.Length),
                Rows = sizes.Rows,
                InputFeatures = sizes.InputFeatures,
                OutputFeatures = sizes.OutputFeatures,
                Activation = options.Activation,
            });
        }
    }
}
