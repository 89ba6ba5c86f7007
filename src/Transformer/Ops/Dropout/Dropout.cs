using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Options of a dropout; equal options draw equal masks, on every backend.</summary>
/// <param name="Probability">p in [0, 1): the share that is dropped.</param>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">The training step.</param>
/// <param name="Stream">Tells this dropout from the others of a model.</param>
public readonly record struct DropoutOptions(
    float Probability, long Seed, long Step = 0, uint Stream = 0);

/// <summary>Dropout by counter-based random numbers, on spans.</summary>
/// <remarks>Srivastava et al. 2014. Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class Dropout
{
    /// <summary>output[i] = input[i] / (1 − p), or 0 where element i is dropped.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Length].</param>
    /// <param name="options">Probability and the random numbers' key.</param>
    /// <param name="output">[Length]; may be the input itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Another length, or a probability out of range.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, in DropoutOptions options, Span<T> output,
        Backend? backend = null)
        where T : unmanaged
    {
        long* state = stackalloc long[2] { options.Seed, options.Step };
        fixed (T* x = input, y = output)
        {
            SpanEntry.Run(backend, new DropoutForward
            {
                Input = BufferView.Of(x, input.Length),
                Output = BufferView.Of(y, output.Length),
                RandomState = BufferView.Of(state, 2),
                Length = input.Length,
                Probability = options.Probability,
                Stream = options.Stream,
            });
        }
    }

    /// <summary>inputGradient[i] = outputGradient[i] / (1 − p), or 0 where element i was dropped.
    /// </summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="outputGradient">[Length].</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="inputGradient">[Length]; may be the output's gradient itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Another length, or a probability out of range.
    /// </exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> outputGradient, in DropoutOptions options, Span<T> inputGradient,
        Backend? backend = null)
        where T : unmanaged
    {
        long* state = stackalloc long[2] { options.Seed, options.Step };
        fixed (T* dy = outputGradient, dx = inputGradient)
        {
            SpanEntry.Run(backend, new DropoutBackward
            {
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                RandomState = BufferView.Of(state, 2),
                Length = outputGradient.Length,
                Probability = options.Probability,
                Stream = options.Stream,
            });
        }
    }
}
