using ILGPU;
using ILGPU.Runtime;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Memory of a GPU. Pieces that are given back wait for the next of their size: the queue
/// runs everything in order, so they may be used again at once.</summary>
internal abstract class GpuMemory(Accelerator accelerator, Lock gate) : BackendMemory
{
    private const long Granule = 512;

    private readonly Dictionary<long, Stack<Piece>> free = [];

    public sealed override bool IsHostAccessible => false;

    public sealed override MemoryBlock Allocate(long bytes) => new Block(Take(bytes));

    /// <summary>Memory for the launches that follow.</summary>
    public Scratch Rent(long bytes)
    {
        Piece piece = Take(bytes);
        return new(piece.Address, piece);
    }

    public sealed override void CopyFromHost(nint source, nint destination, long bytes)
    {
        if (bytes == 0) return;
        lock (gate)
        {
            accelerator.Bind();
            Upload(source, destination, bytes);
            accelerator.DefaultStream.Synchronize();
        }
    }

    public sealed override void CopyToHost(nint source, nint destination, long bytes)
    {
        if (bytes == 0) return;
        lock (gate)
        {
            accelerator.Bind();
            Download(source, destination, bytes);
            accelerator.DefaultStream.Synchronize();
        }
    }

    public sealed override void Copy(nint source, nint destination, long bytes)
    {
        if (bytes == 0) return;
        lock (gate)
        {
            accelerator.Bind();
            CopyWithin(source, destination, bytes);
        }
    }

    public sealed override void Clear(nint address, long bytes)
    {
        if (bytes == 0) return;
        lock (gate)
        {
            accelerator.Bind();
            Fill(address, bytes);
        }
    }

    /// <summary>Makes a buffer known and tells its address.</summary>
    protected abstract nint Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer);

    /// <summary>Forgets the address.</summary>
    protected abstract void Remove(nint address);

    protected abstract void Upload(nint source, nint destination, long bytes);

    protected abstract void Download(nint source, nint destination, long bytes);

    protected abstract void CopyWithin(nint source, nint destination, long bytes);

    protected abstract void Fill(nint address, long bytes);

    // An eighth more at most, so that sizes that differ a little share pieces.
    private static long SizeClass(long bytes)
    {
        long step = Granule;
        while (step * 16 <= bytes) step *= 2;
        return Math.Max(step, (bytes + step - 1) / step * step);
    }

    private Piece Take(long bytes)
    {
        long size = SizeClass(bytes);
        lock (gate)
        {
            if (free.TryGetValue(size, out Stack<Piece>? waiting) &&
                waiting.TryPop(out Piece? piece)) return piece;
            accelerator.Bind();
            MemoryBuffer1D<byte, Stride1D.Dense> buffer = Create(size);
            return new(this, buffer, Add(buffer));
        }
    }

    private MemoryBuffer1D<byte, Stride1D.Dense> Create(long size)
    {
        try
        {
            return accelerator.Allocate1D<byte>(size);
        }
        catch (AcceleratorException)
        {
            // What waits for use may be what is missing.
            accelerator.DefaultStream.Synchronize();
            foreach (Stack<Piece> waiting in free.Values)
                while (waiting.TryPop(out Piece? piece)) piece.Free();
        }

        try
        {
            return accelerator.Allocate1D<byte>(size);
        }
        catch (AcceleratorException exception)
        {
            throw new InsufficientMemoryException($"ILGPU: {accelerator.Name} has no " +
                $"{size} bytes left. Use a smaller batch, or free other tensors first.",
                exception);
        }
    }

    private void GiveBack(Piece piece)
    {
        lock (gate)
        {
            if (!free.TryGetValue(piece.Size, out Stack<Piece>? waiting))
                free[piece.Size] = waiting = new();
            waiting.Push(piece);
        }
    }

    /// <summary>One allocation of the device's; disposing gives it back to the pool.</summary>
    private sealed class Piece(
        GpuMemory memory, MemoryBuffer1D<byte, Stride1D.Dense> buffer, nint address) : IDisposable
    {
        public nint Address => address;

        public long Size => buffer.LengthInBytes;

        public void Dispose() => memory.GiveBack(this);

        public void Free()
        {
            memory.Remove(address);
            buffer.Dispose();
        }
    }

    private sealed class Block : MemoryBlock
    {
        private readonly Piece piece;

        public Block(Piece piece)
        {
            this.piece = piece;
            Initialise(piece.Address, piece.Size);
        }

        protected override bool ReleaseHandle()
        {
            piece.Dispose();
            return true;
        }
    }
}
