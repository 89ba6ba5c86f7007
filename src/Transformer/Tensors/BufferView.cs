using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Transformer.Tensors;

/// <summary>
/// A run of elements that somebody else owns: an address, a count and an element type. Whether the
/// address is host or device memory is known to the backend that is given the view.
/// </summary>
/// <remarks><c>default</c> means "absent": an optional input or output that was not given.
/// </remarks>
public readonly unsafe record struct BufferView
{
    /// <summary>Views <paramref name="length"/> elements at <paramref name="address"/>.</summary>
    /// <param name="address">Address of the first element, aligned to the element's size.</param>
    /// <param name="length">Number of elements.</param>
    /// <param name="dtype">Element type.</param>
    public BufferView(nint address, long length, DType dtype)
    {
        Address = address;
        Length = length;
        DType = dtype;
    }

    /// <summary>Address of the first element; 0 when absent.</summary>
    public nint Address { get; }

    /// <summary>Number of elements.</summary>
    public long Length { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>True when no buffer was given.</summary>
    public bool IsAbsent => Address == 0;

    /// <summary>True when a buffer was given.</summary>
    public bool IsPresent => Address != 0;

    /// <summary>Views <paramref name="length"/> elements behind a pointer.</summary>
    /// <remarks>The address of an empty span may be null; it then counts as absent.</remarks>
    public static BufferView Of<T>(T* pointer, long length) where T : unmanaged =>
        new((nint)pointer, length, DTypes.Of<T>());

    /// <summary>The elements <c>[start, start + length)</c>.</summary>
    /// <exception cref="ArgumentException">The range leaves the view.</exception>
    public BufferView Slice(long start, long length)
    {
        if (start < 0 || length < 0 || start > Length - length)
        {
            throw new ArgumentException(
                $"BufferView: range [{start}, {start + length}) leaves the {Length} elements.");
        }

        return new(Address + (nint)(start * DType.Size()), length, DType);
    }

    /// <summary>The address as a typed pointer; null when absent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T* Pointer<T>() where T : unmanaged
    {
        System.Diagnostics.Debug.Assert(IsAbsent || DTypes.Of<T>() == DType, "element type");
        return (T*)Address;
    }

    /// <summary>The elements as a span, empty when absent; host memory only.</summary>
    /// <exception cref="ArgumentException">The view holds another element type.</exception>
    /// <exception cref="OverflowException">More elements than a span can hold.</exception>
    public Span<T> AsSpan<T>() where T : unmanaged
    {
        if (IsPresent && DTypes.Of<T>() != DType) ThrowType(DTypes.Of<T>());
        return new((T*)Address, checked((int)Length));
    }

    /// <summary>True when the two views share at least one byte.</summary>
    public bool Overlaps(BufferView other) =>
        IsPresent && other.IsPresent && Length > 0 && other.Length > 0 &&
        Address < other.Address + (nint)(other.Length * other.DType.Size()) &&
        other.Address < Address + (nint)(Length * DType.Size());

    [DoesNotReturn]
    private void ThrowType(DType asked) => throw new ArgumentException(
        $"BufferView: the elements are {DType}; a span of {asked} was asked for. Ask for their " +
        "own type.");
}
