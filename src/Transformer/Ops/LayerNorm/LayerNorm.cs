using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a layer normalisation.</summary>
/// <param name="Rows">Rows: tokens.</param>
/// <param name="Width">Elements of a row, normalised together.</param>
public readonly record struct LayerNormSizes(int Rows, int Width);

/// <summary>Options of a layer normalisation; <c>default</c> is the usual.</summary>
public readonly record struct LayerNormOptions
{
    /// <summary>ε, added to the variance; null means 1e-5.</summary>
    public double? Epsilon { get; init; }
}

/// <summary>Layer normalisation on spans, optionally with a residual added first.</summary>
/// <remarks>Ba, Kiros, Hinton 2016. Where a span may be empty, empty means absent. Safe to call
/// from many threads; allocates nothing.</remarks>
public static unsafe class LayerNorm
{
    /// <summary>output = (input − mean) / √(variance + ε) ⊙ weight + bias, over each row.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="bias">[Width]; empty means zeros.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, Width]; may be the input itself.</param>
    /// <param name="mean">[Rows], receives the means; may be empty.</param>
    /// <param name="inverseStd">[Rows], receives 1/√(variance + ε); may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> weight, ReadOnlySpan<T> bias,
        in LayerNormSizes sizes, in LayerNormOptions options, Span<T> output,
        Span<float> mean = default, Span<float> inverseStd = default, Backend? backend = null)
        where T : unmanaged =>
        Forward(input, default, weight, bias, sizes, options, output, default, mean, inverseStd,
            backend);

    /// <summary>sum = input + residual; output = the normalised sum ⊙ weight + bias.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="residual">[Rows, Width], added to the input; may be empty.</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="bias">[Width]; empty means zeros.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, Width]; may be the input itself.</param>
    /// <param name="sum">[Rows, Width], receives input + residual; may be empty, the input or the
    /// residual.</param>
    /// <param name="mean">[Rows], receives the means; may be empty.</param>
    /// <param name="inverseStd">[Rows], receives 1/√(variance + ε); may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> residual, ReadOnlySpan<T> weight,
        ReadOnlySpan<T> bias, in LayerNormSizes sizes, in LayerNormOptions options,
        Span<T> output, Span<T> sum, Span<float> mean, Span<float> inverseStd,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, r = residual, w = weight, b = bias, y = output, s = sum)
        fixed (float* m = mean, i = inverseStd)
        {
            SpanEntry.Run(backend, new LayerNormForward
            {
                Input = BufferView.Of(x, input.Length),
                Residual = BufferView.Of(r, residual.Length),
                Weight = BufferView.Of(w, weight.Length),
                Bias = BufferView.Of(b, bias.Length),
                Output = BufferView.Of(y, output.Length),
                Sum = BufferView.Of(s, sum.Length),
                Mean = BufferView.Of(m, mean.Length),
                InverseStd = BufferView.Of(i, inverseStd.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
                Epsilon = options.Epsilon,
            });
        }
    }

    /// <summary>Gradients of the forward call; see <see cref="LayerNormBackward"/> for the
    /// formula.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="sum">[Rows, Width]: what was normalised, the input plus any residual.</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="mean">[Rows] of the forward call.</param>
    /// <param name="inverseStd">[Rows] of the forward call.</param>
    /// <param name="outputGradient">[Rows, Width].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="inputGradient">[Rows, Width], overwritten; the residual's, too.</param>
    /// <param name="weightGradient">[Width], added to; may be empty.</param>
    /// <param name="biasGradient">[Width], added to; may be empty.</param>
    /// <param name="sumGradient">[Rows, Width]: what reaches the sum otherwise; may be empty.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> sum, ReadOnlySpan<T> weight, ReadOnlySpan<float> mean,
        ReadOnlySpan<float> inverseStd, ReadOnlySpan<T> outputGradient,
        in LayerNormSizes sizes, Span<T> inputGradient, Span<T> weightGradient,
        Span<T> biasGradient, ReadOnlySpan<T> sumGradient = default,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = sum, w = weight, dy = outputGradient, ds = sumGradient, dx = inputGradient,
            dw = weightGradient, db = biasGradient)
        fixed (float* m = mean, i = inverseStd)
        {
            SpanEntry.Run(backend, new LayerNormBackward
            {
                Sum = BufferView.Of(x, sum.Length),
                Weight = BufferView.Of(w, weight.Length),
                Mean = BufferView.Of(m, mean.Length),
                InverseStd = BufferView.Of(i, inverseStd.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                SumGradient = BufferView.Of(ds, sumGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                WeightGradient = BufferView.Of(dw, weightGradient.Length),
                BiasGradient = BufferView.Of(db, biasGradient.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
            });
        }
    }
}
