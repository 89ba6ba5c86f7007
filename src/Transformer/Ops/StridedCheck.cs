using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Checks of tensors [B, H, S, D] with strides over batch, head and sequence.</summary>
internal static class StridedCheck
{
    /// <summary>Requires a floating-point buffer that every index stays within; nothing of an
    /// empty tensor.</summary>
    public static void Read(
        string op, string argument, BufferView view, AttentionStrides strides, int batch,
        int heads, int length, int dimension)
    {
        if (batch == 0 || length == 0) return;
        if (strides.Batch < 0 || strides.Head < 0 || strides.Sequence < 0)
        {
            OpCheck.Throw(op, $"'{argument}' has strides ({strides.Batch}, {strides.Head}, " +
                $"{strides.Sequence}, 1); expected 0 or more. Pass a view that runs forwards.");
        }

        Int128 needed = dimension + ((Int128)(batch - 1) * strides.Batch) +
            ((Int128)(heads - 1) * strides.Head) + ((Int128)(length - 1) * strides.Sequence);
        OpCheck.AtLeast(op, argument, view, (long)Int128.Min(long.MaxValue, needed),
            $"[{batch}, {heads}, {length}, {dimension}] with strides ({strides.Batch}, " +
            $"{strides.Head}, {strides.Sequence}, 1)");
        OpCheck.IsFloat(op, argument, view);
    }

    /// <summary>As <see cref="Read"/>, for a tensor whose rows may not share elements.</summary>
    public static void Written(
        string op, string argument, BufferView view, AttentionStrides strides, int batch,
        int heads, int length, int dimension)
    {
        Read(op, argument, view, strides, batch, heads, length, dimension);
        if (batch == 0 || length == 0) return;
        Span<(long Stride, int Size)> axes = [(strides.Batch, batch), (strides.Head, heads),
            (strides.Sequence, length)];
        axes.Sort(static (a, b) => a.Stride.CompareTo(b.Stride));
        Int128 extent = dimension;
        foreach ((long stride, int size) in axes)
        {
            if (size == 1) continue;
            if (stride < extent)
            {
                OpCheck.Throw(op, $"'{argument}' is written, but with strides ({strides.Batch}, " +
                    $"{strides.Head}, {strides.Sequence}, 1) rows of [{batch}, {heads}, " +
                    $"{length}, {dimension}] overlap. Use strides that keep them apart.");
            }

            extent += (Int128)(size - 1) * stride;
        }
    }
}
