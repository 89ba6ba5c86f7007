using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a top-k selection.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Length">Elements of a row.</param>
/// <param name="Count">K: elements taken from each row, 1 to Length.</param>
public readonly record struct TopKSizes(int Rows, int Length, int Count);

/// <summary>The largest elements of each row, on spans.</summary>
/// <remarks>Safe to call from many threads; allocates nothing.</remarks>
public static unsafe class TopK
{
    /// <summary>The K largest of each row, the largest first, equal ones by rising index; NaN
    /// counts as larger than any number.</summary>
    /// <param name="input">[Rows, Length].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="indices">[Rows, Count]: places in the row, from 0 on.</param>
    /// <param name="values">[Rows, Count]; may be empty.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward(
        ReadOnlySpan<float> input, in TopKSizes sizes, Span<int> indices,
        Span<float> values = default, Backend? backend = null)
    {
        fixed (float* x = input, y = values)
        fixed (int* i = indices)
        {
            SpanEntry.Run(backend, new TopKForward
            {
                Input = BufferView.Of(x, input.Length),
                Values = BufferView.Of(y, values.Length),
                Indices = BufferView.Of(i, indices.Length),
                Rows = sizes.Rows,
                Length = sizes.Length,
                Count = sizes.Count,
            });
        }
    }

    /// <summary>The place of each row's largest element, the lowest of equal ones.</summary>
    /// <param name="input">[Rows, Length].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="length">Elements of a row, 1 or more.</param>
    /// <param name="indices">[Rows].</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void ArgMax(
        ReadOnlySpan<float> input, int rows, int length, Span<int> indices,
        Backend? backend = null) =>
        Forward(input, new(rows, length, 1), indices, default, backend);
}
