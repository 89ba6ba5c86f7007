using Transformer.Backends;

namespace Transformer.Tensors;

/// <summary>
/// A dense row-major tensor that owns its memory on one backend. Dispose it to return the memory.
/// </summary>
public sealed class Tensor : IDisposable
{
    private readonly MemoryBlock block;

    /// <summary>Allocates a tensor; contents are zero.</summary>
    /// <param name="shape">Axis sizes, outermost first.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="memory">Where it lives; host memory when null.</param>
    /// <exception cref="OutOfMemoryException">The backend has not enough memory.</exception>
    public Tensor(TensorShape shape, DType dtype = DType.Float32, BackendMemory? memory = null)
    {
        Memory = memory ?? BackendMemory.Host;
        Shape = shape;
        DType = dtype;
        block = Memory.Allocate(checked(Math.Max(1, shape.ElementCount) * dtype.Size()));
        Memory.Clear(block.Address, block.Size);
    }

    /// <summary>The allocator that owns the memory.</summary>
    public BackendMemory Memory { get; }

    /// <summary>Axis sizes, outermost first.</summary>
    public TensorShape Shape { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>True once <see cref="Dispose"/> was called.</summary>
    public bool IsDisposed => block.IsClosed;

    /// <summary>All elements as a flat view, for op calls.</summary>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public BufferView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(block.IsClosed, this);
            return new(block.Address, Shape.ElementCount, DType);
        }
    }

    /// <summary>All elements as a strided view.</summary>
    public TensorView StridedView => new(View, Shape, Shape.ContiguousStrides());

    /// <summary>All elements as a span; tensors in host memory only.</summary>
    /// <exception cref="InvalidOperationException">The tensor lives in device memory.</exception>
    public Span<T> AsSpan<T>() where T : unmanaged
    {
        if (!Memory.IsHostAccessible)
        {
            throw new InvalidOperationException(
                "Tensor: device memory has no span. Use CopyTo and CopyFrom.");
        }

        return View.AsSpan<T>();
    }

    /// <summary>Copies host elements into the tensor.</summary>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public unsafe void CopyFrom<T>(ReadOnlySpan<T> source) where T : unmanaged
    {
        RequireLength(source.Length);
        fixed (T* pointer = source)
        {
            Memory.CopyFromHost((nint)pointer, block.Address, (long)source.Length * sizeof(T));
        }
    }

    /// <summary>Copies the tensor's elements to the host.</summary>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public unsafe void CopyTo<T>(Span<T> destination) where T : unmanaged
    {
        RequireLength(destination.Length);
        fixed (T* pointer = destination)
        {
            Memory.CopyToHost(block.Address, (nint)pointer, (long)destination.Length * sizeof(T));
        }
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose() => block.Dispose();

    private void RequireLength(int length)
    {
        if (length != Shape.ElementCount)
        {
            throw new ArgumentException(
                $"Tensor: {length} elements given; {Shape} holds {Shape.ElementCount}.");
        }
    }
}
