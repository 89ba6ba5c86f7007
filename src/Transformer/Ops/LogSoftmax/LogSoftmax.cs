using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Log-softmax over one axis, on spans.</summary>
/// <remarks>Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class LogSoftmax
{
    /// <summary>output[o, l, i] = input[o, l, i] − ln Σₖ exp(input[o, k, i]).</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Outer, Length, Inner].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="output">[Outer, Length, Inner]; may be the input itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, in SoftmaxSizes sizes, Span<T> output,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, y = output)
        {
            SpanEntry.Run(backend, new LogSoftmaxForward
            {
                Input = BufferView.Of(x, input.Length),
                Output = BufferView.Of(y, output.Length),
                Outer = sizes.Outer,
                Length = sizes.Length,
                Inner = sizes.Inner,
            });
        }
    }
}
