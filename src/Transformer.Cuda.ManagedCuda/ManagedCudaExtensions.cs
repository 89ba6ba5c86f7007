using ManagedCuda;
using Transformer.Tensors;

namespace Transformer.Cuda.ManagedCuda;

/// <summary>ManagedCuda's memory, streams and contexts in calls of this library, without a copy.
/// </summary>
/// <remarks>Everything stays its owner's: a variable, stream or context must outlive the calls that
/// were given it.</remarks>
public static class ManagedCudaExtensions
{
    /// <summary>A backend whose kernels enter the stream, in the context.</summary>
    /// <param name="context">A context of ManagedCuda's: primary or its own.</param>
    /// <param name="stream">A stream of that context.</param>
    /// <exception cref="ArgumentNullException">One of them is null.</exception>
    public static CudaBackend CreateTransformerBackend(this CudaContext context, CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(stream);
        return CudaBackend.InContext(context.Context.Pointer, stream.Stream.Pointer);
    }

    /// <summary>All elements of a variable as an operand.</summary>
    /// <param name="variable">Device memory of <typeparamref name="T"/>.</param>
    /// <typeparam name="T">float, Half, <see cref="BFloat16"/>, int or another element type of
    /// <see cref="DType"/>.</typeparam>
    /// <exception cref="ArgumentNullException">The variable is null.</exception>
    /// <exception cref="NotSupportedException">The library has no such element type.</exception>
    public static BufferView AsView<T>(this CudaDeviceVariable<T> variable) where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(variable);
        ulong address = variable.DevicePointer.Pointer;
        return new((nint)address, (long)variable.Size, DTypes.Of<T>());
    }
}
