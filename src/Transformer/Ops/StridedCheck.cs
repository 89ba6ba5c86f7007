using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Checks of tensors [outer, heads, rows, dimension] with strides over the first three;
/// packed and paged tensors, too, are such.</summary>
internal static class StridedCheck
{
    /// <summary>Requires a floating-point buffer that every index stays within; nothing of an
    /// empty tensor.</summary>
    public static void Read(
        string op, string argument, BufferView view, AttentionStrides strides,
        (int Outer, int Rows) extent, int heads, int dimension)
    {
        if (extent.Outer == 0 || extent.Rows == 0) return;
        if (strides.Batch < 0 || strides.Head < 0 || strides.Sequence < 0)
        {
            OpCheck.Throw(op, $"'{argument}' has strides ({strides.Batch}, {strides.Head}, " +
                $"{strides.Sequence}, 1); expected 0 or more. Pass a view that runs forwards.");
        }

        OpCheck.AtLeast(op, argument, view, Extent(strides, extent, heads, dimension),
            $"[{extent.Outer}, {heads}, {extent.Rows}, {dimension}] with strides (" +
            $"{strides.Batch}, {strides.Head}, {strides.Sequence}, 1)");
        OpCheck.IsFloat(op, argument, view);
    }

    /// <summary>As <see cref="Read"/>, for a tensor whose rows may not share elements.</summary>
    public static void Written(
        string op, string argument, BufferView view, AttentionStrides strides,
        (int Outer, int Rows) extent, int heads, int dimension)
    {
        Read(op, argument, view, strides, extent, heads, dimension);
        if (extent.Outer == 0 || extent.Rows == 0) return;
        Span<(long Stride, int Size)> axes = [(strides.Batch, extent.Outer),
            (strides.Head, heads), (strides.Sequence, extent.Rows)];
        axes.Sort(static (a, b) => a.Stride.CompareTo(b.Stride));
        Int128 end = dimension;
        foreach ((long stride, int size) in axes)
        {
            if (size == 1) continue;
            if (stride < end)
            {
                OpCheck.Throw(op, $"'{argument}' is written, but with strides ({strides.Batch}, " +
                    $"{strides.Head}, {strides.Sequence}, 1) rows of [{extent.Outer}, {heads}, " +
                    $"{extent.Rows}, {dimension}] overlap. Use strides that keep them apart.");
            }

            end += (Int128)(size - 1) * stride;
        }
    }

    /// <summary>Elements from the first to the last of a tensor that is not empty, at most
    /// <see cref="long.MaxValue"/>.</summary>
    public static long Extent(
        AttentionStrides strides, (int Outer, int Rows) extent, int heads, int dimension) =>
        (long)Int128.Min(long.MaxValue, dimension +
            ((Int128)(extent.Outer - 1) * strides.Batch) +
            ((Int128)(heads - 1) * strides.Head) +
            ((Int128)(extent.Rows - 1) * strides.Sequence));
}
