namespace Transformer.Tensors;

/// <summary>
/// Elements of somebody else's buffer seen with a shape and element strides: slices, transposes
/// and reshapes without a copy.
/// </summary>
public readonly struct TensorView
{
    /// <summary>Views a buffer with the given shape and strides.</summary>
    /// <param name="buffer">The elements; element [0, 0, …] is the first.</param>
    /// <param name="shape">Axis sizes.</param>
    /// <param name="strides">Elements from one index to the next along each axis, by
    /// <see cref="TensorShape.OfStrides"/>.</param>
    /// <exception cref="ArgumentException">Ranks differ or an index would leave the buffer.
    /// </exception>
    public TensorView(BufferView buffer, TensorShape shape, TensorShape strides)
    {
        if (shape.Rank != strides.Rank)
        {
            throw new ArgumentException(
                $"TensorView: shape {shape} and strides {strides} differ in rank.");
        }

        long last = 0;
        for (int axis = 0; axis < shape.Rank; axis++)
        {
            last = checked(last + Math.Max(0, shape[axis] - 1) * strides[axis]);
        }

        if (shape.ElementCount > 0 && last >= buffer.Length)
        {
            throw new ArgumentException(
                $"TensorView: shape {shape} with strides {strides} reaches element {last}; " +
                $"the buffer has {buffer.Length}.");
        }

        Buffer = buffer;
        Shape = shape;
        Strides = strides;
    }

    /// <summary>The elements, from index [0, 0, …] on.</summary>
    public BufferView Buffer { get; }

    /// <summary>Axis sizes.</summary>
    public TensorShape Shape { get; }

    /// <summary>Elements from one index to the next along each axis.</summary>
    public TensorShape Strides { get; }

    /// <summary>Element type.</summary>
    public DType DType => Buffer.DType;

    /// <summary>True when the elements lie densely in row-major order.</summary>
    public bool IsContiguous
    {
        get
        {
            TensorShape dense = Shape.ContiguousStrides();
            for (int axis = 0; axis < Shape.Rank; axis++)
            {
                if (Shape[axis] > 1 && Strides[axis] != dense[axis]) return false;
            }

            return true;
        }
    }

    /// <summary>Indices [start, start + length) of one axis.</summary>
    /// <exception cref="ArgumentException">The range leaves the axis.</exception>
    public TensorView Slice(int axis, long start, long length)
    {
        if (start < 0 || length < 0 || start > Shape[axis] - length)
        {
            throw new ArgumentException(
                $"TensorView: range [{start}, {start + length}) leaves axis {axis} of {Shape}.");
        }

        long[] sizes = Shape.ToArray();
        sizes[axis] = length;
        long offset = length == 0 ? 0 : start * Strides[axis];
        return new(Buffer.Slice(offset, Buffer.Length - offset), new(sizes), Strides);
    }

    /// <summary>Exchanges two axes.</summary>
    public TensorView Transpose(int first, int second)
    {
        long[] sizes = Shape.ToArray();
        long[] strides = Strides.ToArray();
        (sizes[first], sizes[second]) = (sizes[second], sizes[first]);
        (strides[first], strides[second]) = (strides[second], strides[first]);
        return new(Buffer, new(sizes), TensorShape.OfStrides(strides));
    }

    /// <summary>The same elements with other axes; contiguous views only.</summary>
    /// <exception cref="ArgumentException">Not contiguous, or another element count.</exception>
    public TensorView Reshape(TensorShape shape)
    {
        if (!IsContiguous || shape.ElementCount != Shape.ElementCount)
        {
            throw new ArgumentException(
                $"TensorView: {Shape} with strides {Strides} cannot be viewed as {shape}. " +
                "Copy it to a contiguous tensor of the same element count first.");
        }

        return new(Buffer, shape, shape.ContiguousStrides());
    }
}
