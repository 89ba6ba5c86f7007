using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The sum of two tensors, on spans: a residual that no normalisation follows.</summary>
/// <remarks>Before a normalisation, <see cref="LayerNorm"/> adds the residual itself. The gradient
/// is the identity for both inputs. Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class Add
{
    /// <summary>output[i] = left[i] + right[i].</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="left">[Length].</param>
    /// <param name="right">[Length].</param>
    /// <param name="output">[Length]; may be either input itself.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">Another length, or a partial overlap.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> left, ReadOnlySpan<T> right, Span<T> output,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* a = left, b = right, c = output)
        {
            SpanEntry.Run(backend, new AddForward
            {
                Left = BufferView.Of(a, left.Length),
                Right = BufferView.Of(b, right.Length),
                Output = BufferView.Of(c, output.Length),
                Length = left.Length,
            });
        }
    }
}
