using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a root-mean-square normalisation.</summary>
/// <param name="Rows">Rows: tokens.</param>
/// <param name="Width">Elements of a row, normalised together.</param>
public readonly record struct RmsNormSizes(int Rows, int Width);

/// <summary>Options of a root-mean-square normalisation; <c>default</c> is the usual.</summary>
public readonly record struct RmsNormOptions
{
    /// <summary>ε, added to the mean square; null means 1e-5.</summary>
    public double? Epsilon { get; init; }
}

/// <summary>Root-mean-square normalisation on spans, optionally with a residual added first.
/// </summary>
/// <remarks>Zhang, Sennrich 2019. Where a span may be empty, empty means absent. Safe to call from
/// many threads; allocates nothing.</remarks>
public static unsafe class RmsNorm
{
    /// <summary>output = input / √(mean(input²) + ε) ⊙ weight, over each row.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, Width]; may be the input itself.</param>
    /// <param name="inverseRms">[Rows], receives 1/√(mean(input²) + ε); may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> weight, in RmsNormSizes sizes,
        in RmsNormOptions options, Span<T> output, Span<float> inverseRms = default,
        Backend? backend = null)
        where T : unmanaged =>
        Forward(input, default, weight, sizes, options, output, default, inverseRms, backend);

    /// <summary>sum = input + residual; output = the normalised sum ⊙ weight.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="residual">[Rows, Width], added to the input; may be empty.</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, Width]; may be the input itself.</param>
    /// <param name="sum">[Rows, Width], receives input + residual; may be empty, the input or the
    /// residual.</param>
    /// <param name="inverseRms">[Rows], receives 1/√(mean(sum²) + ε); may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> residual, ReadOnlySpan<T> weight,
        in RmsNormSizes sizes, in RmsNormOptions options, Span<T> output, Span<T> sum,
        Span<float> inverseRms, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, r = residual, w = weight, y = output, s = sum)
        fixed (float* i = inverseRms)
        {
            SpanEntry.Run(backend, new RmsNormForward
            {
                Input = BufferView.Of(x, input.Length),
                Residual = BufferView.Of(r, residual.Length),
                Weight = BufferView.Of(w, weight.Length),
                Output = BufferView.Of(y, output.Length),
                Sum = BufferView.Of(s, sum.Length),
                InverseRms = BufferView.Of(i, inverseRms.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
                Epsilon = options.Epsilon,
            });
        }
    }

    /// <summary>Gradients of the forward call; see <see cref="RmsNormBackward"/> for the formula.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="sum">[Rows, Width]: what was normalised, the input plus any residual.</param>
    /// <param name="weight">[Width]; empty means ones.</param>
    /// <param name="inverseRms">[Rows] of the forward call.</param>
    /// <param name="outputGradient">[Rows, Width].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="inputGradient">[Rows, Width], overwritten; the residual's, too.</param>
    /// <param name="weightGradient">[Width], added to; may be empty.</param>
    /// <param name="sumGradient">[Rows, Width]: what reaches the sum otherwise; may be empty.
    /// </param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> sum, ReadOnlySpan<T> weight, ReadOnlySpan<float> inverseRms,
        ReadOnlySpan<T> outputGradient, in RmsNormSizes sizes, Span<T> inputGradient,
        Span<T> weightGradient, ReadOnlySpan<T> sumGradient = default,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = sum, w = weight, dy = outputGradient, ds = sumGradient, dx = inputGradient,
            dw = weightGradient)
        fixed (float* i = inverseRms)
        {
            SpanEntry.Run(backend, new RmsNormBackward
            {
                Sum = BufferView.Of(x, sum.Length),
                Weight = BufferView.Of(w, weight.Length),
                InverseRms = BufferView.Of(i, inverseRms.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                SumGradient = BufferView.Of(ds, sumGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                WeightGradient = BufferView.Of(dw, weightGradient.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
            });
        }
    }
}
