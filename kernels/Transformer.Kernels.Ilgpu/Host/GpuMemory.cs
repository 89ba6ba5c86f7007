using ILGPU;
using ILGPU.Runtime;
using Transformer.Backends;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Memory of a GPU. Blocks that are given back wait for the next of their size: the queue
/// runs everything in order, so they may be used again at once.</summary>
internal abstract class GpuMemory(Accelerator accelerator, Lock gate) : BackendMemory
{
    private const long Granule = 512;

    private readonly Dictionary<long, Stack<MemoryBuffer1D<byte, Stride1D.Dense>>> free = [];

    public sealed override bool IsHostAccessible => false;

    public sealed override MemoryBlock Allocate(long bytes)
    {
        long size = SizeClass(bytes);
        lock (gate)
        {
            accelerator.Bind();
            if (!free.TryGetValue(size, out var waiting) || !waiting.TryPop(out var buffer))
                buffer = Create(size);
            return new Block(this, buffer, Add(buffer), size);
        }
    }

    public sealed override void CopyFromHost(nint source, nint destination, long bytes) =>
        Run(bytes, () => Upload(source, destination, bytes), wait: true);

    public sealed override void CopyToHost(nint source, nint destination, long bytes) =>
        Run(bytes, () => Download(source, destination, bytes), wait: true);

    public sealed override void Copy(nint source, nint destination, long bytes) =>
        Run(bytes, () => CopyWithin(source, destination, bytes), wait: false);

    public sealed override void Clear(nint address, long bytes) =>
        Run(bytes, () => Fill(address, bytes), wait: false);

    /// <summary>Makes a buffer known and tells its address.</summary>
    protected abstract nint Add(MemoryBuffer1D<byte, Stride1D.Dense> buffer);

    /// <summary>Forgets the address.</summary>
    protected abstract void Remove(nint address);

    protected abstract void Upload(nint source, nint destination, long bytes);

    protected abstract void Download(nint source, nint destination, long bytes);

    protected abstract void CopyWithin(nint source, nint destination, long bytes);

    protected abstract void Fill(nint address, long bytes);

    // An eighth more at most, so that sizes that differ a little share blocks.
    private static long SizeClass(long bytes)
    {
        long step = Granule;
        while (step * 16 <= bytes) step *= 2;
        return Math.Max(step, (bytes + step - 1) / step * step);
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
            foreach (Stack<MemoryBuffer1D<byte, Stride1D.Dense>> waiting in free.Values)
                while (waiting.TryPop(out var buffer)) buffer.Dispose();
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

    private void Run(long bytes, Action copy, bool wait)
    {
        if (bytes == 0) return;
        lock (gate)
        {
            accelerator.Bind();
            copy();
            if (wait) accelerator.DefaultStream.Synchronize();
        }
    }

    private void GiveBack(MemoryBuffer1D<byte, Stride1D.Dense> buffer, nint address, long size)
    {
        lock (gate)
        {
            Remove(address);
            if (!free.TryGetValue(size, out var waiting)) free[size] = waiting = new();
            waiting.Push(buffer);
        }
    }

    private sealed class Block : MemoryBlock
    {
        private readonly GpuMemory memory;
        private readonly MemoryBuffer1D<byte, Stride1D.Dense> buffer;

        public Block(
            GpuMemory memory, MemoryBuffer1D<byte, Stride1D.Dense> buffer, nint address,
            long size)
        {
            this.memory = memory;
            this.buffer = buffer;
            Initialise(address, size);
        }

        protected override bool ReleaseHandle()
        {
            memory.GiveBack(buffer, handle, Size);
            return true;
        }
    }
}
