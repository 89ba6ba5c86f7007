using System.Runtime.InteropServices;
using Transformer.Tensors;

namespace Transformer.Backends;

/// <summary>Allocates and copies memory of one backend.</summary>
public abstract class BackendMemory
{
    /// <summary>Pooled host memory, shared by all CPU backends.</summary>
    public static BackendMemory Host { get; } = new HostBackendMemory();

    /// <summary>True when addresses can be read and written by the CPU.</summary>
    public abstract bool IsHostAccessible { get; }

    /// <summary>Allocates at least <paramref name="bytes"/> bytes; contents undefined.</summary>
    public abstract MemoryBlock Allocate(long bytes);

    /// <summary>Copies from host memory to this memory.</summary>
    public abstract void CopyFromHost(nint source, nint destination, long bytes);

    /// <summary>Copies from this memory to host memory; waits until the data are there.</summary>
    public abstract void CopyToHost(nint source, nint destination, long bytes);

    /// <summary>Copies within this memory; the ranges do not overlap.</summary>
    public abstract void Copy(nint source, nint destination, long bytes);

    /// <summary>Sets bytes to zero.</summary>
    public abstract void Clear(nint address, long bytes);

    private sealed unsafe class HostBackendMemory : BackendMemory
    {
        public override bool IsHostAccessible => true;

        public override MemoryBlock Allocate(long bytes) => new HostMemoryBlock(bytes);

        public override void CopyFromHost(nint source, nint destination, long bytes) =>
            Copy(source, destination, bytes);

        public override void CopyToHost(nint source, nint destination, long bytes) =>
            Copy(source, destination, bytes);

        public override void Copy(nint source, nint destination, long bytes) =>
            Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

        public override void Clear(nint address, long bytes) =>
            NativeMemory.Clear((void*)address, (nuint)bytes);
    }

    private sealed class HostMemoryBlock : MemoryBlock
    {
        private readonly HostBlock block;

        public HostMemoryBlock(long bytes)
        {
            block = HostMemory.Rent(bytes);
            Initialise(block.Address, block.Size);
        }

        protected override bool ReleaseHandle()
        {
            block.Dispose();
            return true;
        }
    }
}

/// <summary>One allocation; the handle is its address.</summary>
public abstract class MemoryBlock : SafeHandle
{
    /// <summary>Makes an empty handle; the subclass sets the address.</summary>
    protected MemoryBlock() : base(0, ownsHandle: true)
    {
    }

    /// <summary>Address of the first byte.</summary>
    public nint Address => handle;

    /// <summary>Usable bytes.</summary>
    public long Size { get; private set; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Sets address and size; called once by the subclass.</summary>
    protected void Initialise(nint address, long size)
    {
        SetHandle(address);
        Size = size;
    }
}
