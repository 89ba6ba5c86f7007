using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Memory;

/// <summary>
/// Copies between the host's ordinary memory and a device by way of pinned memory, in pieces that
/// take turns: one is on its way while the next is being filled or emptied.
/// </summary>
/// <remarks>A copy to the device returns when its last piece is in pinned memory; later work of the
/// stream comes after it. Safe to call from many threads: copies take turns.</remarks>
internal sealed unsafe class CudaStaging : IDisposable
{
    /// <summary>Bytes of a piece: some hundred microseconds of a bus, so that the driver's own time
    /// for a copy does not show.</summary>
    public const int PieceBytes = 1 << 20;

    private const int Pieces = 4;

    private readonly CudaStream stream;
    private readonly PinnedMemory memory;
    private readonly CudaEvent[] passed = new CudaEvent[Pieces];
    private readonly Lock gate = new();
    private int next;

    public CudaStaging(CudaStream stream)
    {
        this.stream = stream;
        memory = new(stream.Device, (long)PieceBytes * Pieces);
        for (int i = 0; i < Pieces; i++) passed[i] = new(stream.Device);
    }

    /// <summary>Copies to the device; the source may be written again at once.</summary>
    public void Upload(nint source, nint destination, long bytes)
    {
        stream.Device.Enter();
        lock (gate)
        {
            for (long done = 0; done < bytes; done += PieceBytes)
            {
                int piece = next++ % Pieces;
                next %= Pieces;
                long size = Math.Min(PieceBytes, bytes - done);
                passed[piece].Synchronize();
                Buffer.MemoryCopy((void*)(source + (nint)done), At(piece), size, size);
                CudaException.Check(
                    DriverApi.cuMemcpyHtoDAsync_v2(destination + (nint)done, (nint)At(piece),
                        (nuint)size, stream.Handle),
                    stream.Device.Description, size);
                passed[piece].Record(stream);
            }
        }
    }

    /// <summary>Copies to the host and waits until all is there.</summary>
    public void Download(nint source, nint destination, long bytes)
    {
        stream.Device.Enter();
        lock (gate)
        {
            long asked = 0;
            for (long done = 0; done < bytes; done += PieceBytes)
            {
                // As many pieces ahead as there are.
                for (; asked < bytes && asked - done < (long)PieceBytes * Pieces;
                    asked += PieceBytes)
                {
                    int ahead = (int)(asked / PieceBytes % Pieces);
                    // Whatever an upload left in the piece is older work of the same stream.
                    CudaException.Check(
                        DriverApi.cuMemcpyDtoHAsync_v2((nint)At(ahead), source + (nint)asked,
                            (nuint)Math.Min(PieceBytes, bytes - asked), stream.Handle),
                        stream.Device.Description, bytes);
                    passed[ahead].Record(stream);
                }

                int piece = (int)(done / PieceBytes % Pieces);
                long size = Math.Min(PieceBytes, bytes - done);
                passed[piece].Synchronize();
                Buffer.MemoryCopy(At(piece), (void*)(destination + (nint)done), size, size);
            }
        }
    }

    public void Dispose()
    {
        memory.Dispose();
        foreach (CudaEvent one in passed) one.Dispose();
    }

    private void* At(int piece) => (void*)(memory.Address + (nint)((long)piece * PieceBytes));
}
