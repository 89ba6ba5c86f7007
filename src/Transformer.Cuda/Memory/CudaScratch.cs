using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Memory;

/// <summary>Device memory for one launch, from the stream's pool: it may be disposed as soon as the
/// launch is in the stream.</summary>
internal readonly ref struct CudaScratch
{
    private readonly CudaStream stream;

    /// <summary>Rents memory; contents undefined.</summary>
    /// <exception cref="OutOfMemoryException">The device has not enough.</exception>
    public CudaScratch(CudaStream stream, long bytes)
    {
        this.stream = stream;
        if (bytes == 0) return;
        stream.Device.Enter();
        CudaException.Check(
            DriverApi.cuMemAllocAsync(out nint address, (nuint)bytes, stream.Handle),
            stream.Device.Description, bytes);
        Address = address;
    }

    /// <summary>Of the first byte, a multiple of 256; 0 where nothing was asked for.</summary>
    public nint Address { get; }

    /// <summary>Returns the memory after the work that is in the stream now.</summary>
    public void Dispose()
    {
        if (Address == 0) return;
        CudaException.Check(
            DriverApi.cuMemFreeAsync(Address, stream.Handle), stream.Device.Description);
    }
}
