using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Activations that no matrix product precedes, on spans.</summary>
/// <remarks>After a product, <see cref="Linear"/> and <see cref="GeluFeedForward"/> apply them to
/// sums that still lie in cache, which costs no pass over memory. Safe to call from many threads;
/// allocates nothing.</remarks>
public static unsafe class Activations
{
    /// <summary>output[i] = f(input[i]).</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Length].</param>
    /// <param name="activation">f.</param>
    /// <param name="output">[Length]; may be the input itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Another length, or a partial overlap.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, Activation activation, Span<T> output,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, y = output)
        {
            SpanEntry.Run(backend, new ActivationForward
            {
                Input = BufferView.Of(x, input.Length),
                Output = BufferView.Of(y, output.Length),
                Length = input.Length,
                Activation = activation,
            });
        }
    }

    /// <summary>inputGradient[i] = outputGradient[i]·f′(input[i]).</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Length] of the forward call.</param>
    /// <param name="outputGradient">[Length].</param>
    /// <param name="activation">f.</param>
    /// <param name="inputGradient">[Length]; may be either input itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Another length, or a partial overlap.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> input, ReadOnlySpan<T> outputGradient, Activation activation,
        Span<T> inputGradient, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, dy = outputGradient, dx = inputGradient)
        {
            SpanEntry.Run(backend, new ActivationBackward
            {
                Input = BufferView.Of(x, input.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                Length = input.Length,
                Activation = activation,
            });
        }
    }
}
