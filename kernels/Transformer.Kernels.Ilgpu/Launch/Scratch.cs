using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>Memory for launches, from a pool: it may be disposed as soon as they are in the queue.
/// The default is none. Renting allocates nothing once the pool is filled.</summary>
internal readonly struct Scratch : IDisposable
{
    private readonly HostBlock host;
    private readonly IDisposable? device;

    public Scratch(HostBlock host)
    {
        this.host = host;
        Address = host.Address;
    }

    /// <param name="address">Of the first byte.</param>
    /// <param name="device">Gives the memory back.</param>
    public Scratch(nint address, IDisposable device)
    {
        this.device = device;
        Address = address;
    }

    /// <summary>Of the first byte; 0 where there is none.</summary>
    public nint Address { get; }

    public void Dispose()
    {
        host.Dispose();
        device?.Dispose();
    }
}
