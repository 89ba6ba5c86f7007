using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Transformer.Tensors;

/// <summary>The sizes of a tensor's axes, outermost first; at most <see cref="MaxRank"/> axes.
/// </summary>
/// <remarks>Rank 0 is a scalar: one element. Value type, no allocation.</remarks>
public readonly struct TensorShape : IEquatable<TensorShape>
{
    /// <summary>The largest number of axes.</summary>
    public const int MaxRank = 8;

    private readonly Axes axes;
    private readonly long elementCount;

    /// <summary>Makes a shape from axis sizes, outermost first.</summary>
    /// <exception cref="ArgumentException">More than 8 axes, a negative size, or more elements
    /// than a 64-bit count holds.</exception>
    public TensorShape(params ReadOnlySpan<long> sizes)
    {
        if (sizes.Length > MaxRank)
        {
            throw new ArgumentException(
                $"TensorShape: {sizes.Length} axes given; at most {MaxRank} are supported.");
        }

        long count = 1;
        for (int axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] < 0)
            {
                throw new ArgumentException(
                    $"TensorShape: axis {axis} has size {sizes[axis]}; expected 0 or more.");
            }

            axes[axis] = sizes[axis];
            try
            {
                count = checked(count * sizes[axis]);
            }
            catch (OverflowException)
            {
                throw new ArgumentException("TensorShape: the element count exceeds 64 bits.");
            }
        }

        Rank = sizes.Length;
        elementCount = count;
    }

    private TensorShape(Axes axes, int rank)
    {
        this.axes = axes;
        Rank = rank;
    }

    /// <summary>Number of axes.</summary>
    public int Rank { get; }

    /// <summary>Product of the axis sizes; 1 for a scalar. Strides have none: 0.</summary>
    public long ElementCount => Rank == 0 ? 1 : elementCount;

    /// <summary>Size of one axis; <c>^1</c> is the innermost.</summary>
    public long this[Index axis] => this[axis.GetOffset(Rank)];

    /// <summary>Size of one axis.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such axis.</exception>
    public long this[int axis]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(axis);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(axis, Rank);
            return axes[axis];
        }
    }

    /// <summary>Product of all axes but the innermost: the rows of a matrix view.</summary>
    public long Rows => Rank == 0 ? 1 : this[Rank - 1] == 0 ? 0 : ElementCount / this[Rank - 1];

    /// <summary>Element strides along each axis, outermost first; unlike sizes they may have any
    /// product.</summary>
    /// <exception cref="ArgumentException">More than 8 axes, or a negative stride.</exception>
    public static TensorShape OfStrides(params ReadOnlySpan<long> strides)
    {
        if (strides.Length > MaxRank)
        {
            throw new ArgumentException(
                $"TensorShape: {strides.Length} strides given; at most {MaxRank} are supported.");
        }

        Axes axes = default;
        for (int axis = 0; axis < strides.Length; axis++)
        {
            if (strides[axis] < 0)
            {
                throw new ArgumentException($"TensorShape: the stride of axis {axis} is " +
                    $"{strides[axis]}; expected 0 or more.");
            }

            axes[axis] = strides[axis];
        }

        return new(axes, strides.Length);
    }

    /// <summary>Element strides of a dense row-major tensor of this shape.</summary>
    public TensorShape ContiguousStrides()
    {
        Span<long> strides = stackalloc long[MaxRank];
        long step = 1;
        for (int axis = Rank - 1; axis >= 0; axis--)
        {
            strides[axis] = step;
            step *= Math.Max(1, axes[axis]);
        }

        return OfStrides(strides[..Rank]);
    }

    /// <summary>The axis sizes as a new array.</summary>
    public long[] ToArray()
    {
        long[] sizes = new long[Rank];
        for (int axis = 0; axis < Rank; axis++) sizes[axis] = axes[axis];
        return sizes;
    }

    /// <inheritdoc/>
    public bool Equals(TensorShape other)
    {
        if (Rank != other.Rank) return false;
        for (int axis = 0; axis < Rank; axis++)
        {
            if (axes[axis] != other.axes[axis]) return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) =>
        obj is TensorShape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        for (int axis = 0; axis < Rank; axis++) hash.Add(axes[axis]);
        return hash.ToHashCode();
    }

    /// <summary>The sizes as <c>[2, 128, 768]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", ToArray())}]";

    /// <summary>Same rank and sizes.</summary>
    public static bool operator ==(TensorShape left, TensorShape right) => left.Equals(right);

    /// <summary>Another rank or another size.</summary>
    public static bool operator !=(TensorShape left, TensorShape right) => !left.Equals(right);

    [InlineArray(MaxRank)]
    private struct Axes
    {
        private long first;
    }
}
