using System.Collections.Concurrent;
using ILGPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Takes launches and runs none: what is seen is the host's part alone.</summary>
internal sealed class IdleQueue : KernelQueue
{
    private readonly WatchedMemory memory = new();

    /// <summary>The last shape of each kernel, by its class and name.</summary>
    public ConcurrentDictionary<string, LaunchShape> Launched { get; } = new();

    /// <summary>False: launches are not noted, which allocates.</summary>
    public bool Notes { get; init; } = true;

    public override string Device => "nothing";

    public override DeviceLimits Limits => Chosen;

    /// <summary>Those of an NVIDIA GPU, or what a test makes of them.</summary>
    public DeviceLimits Chosen { get; init; } = new(32, 1024, 48 << 10, 108);

    public override BackendMemory Memory => memory;

    /// <summary>Copies from the host.</summary>
    public int Uploads => memory.Uploads;

    /// <summary>Blocks that have been allocated and not been freed.</summary>
    public int Blocks => memory.Blocks;

    /// <summary>The next copy from the host throws.</summary>
    public void FailNextUpload() => memory.Fails = true;

    public override KernelLauncher<TArgument> Load<TArgument>(Action<TArgument> kernel)
    {
        string name = $"{kernel.Method.DeclaringType!.Name}.{kernel.Method.Name}";
        return (LaunchShape shape, in TArgument argument) =>
        {
            if (Notes) Launched[name] = shape;
        };
    }

    public override ArrayView<T> View<T>(nint address, long length) => default;

    public override Scratch Rent(long bytes) => new(HostMemory.Rent(bytes));

    public override void Synchronize()
    {
    }

    private sealed class WatchedMemory : BackendMemory
    {
        private int blocks;

        public int Uploads { get; private set; }

        public int Blocks => blocks;

        public bool Fails { get; set; }

        public override bool IsHostAccessible => true;

        public override MemoryBlock Allocate(long bytes)
        {
            blocks++;
            return new Block(this, HostMemory.Rent(bytes));
        }

        public override void CopyFromHost(nint source, nint destination, long bytes)
        {
            if (Fails)
            {
                Fails = false;
                throw new InvalidOperationException("the device is gone");
            }

            Uploads++;
            Host.CopyFromHost(source, destination, bytes);
        }

        public override void CopyToHost(nint source, nint destination, long bytes) =>
            Host.CopyToHost(source, destination, bytes);

        public override void Copy(nint source, nint destination, long bytes) =>
            Host.Copy(source, destination, bytes);

        public override void Clear(nint address, long bytes) => Host.Clear(address, bytes);

        private sealed class Block : MemoryBlock
        {
            private readonly WatchedMemory memory;
            private readonly HostBlock block;

            public Block(WatchedMemory memory, HostBlock block)
            {
                this.memory = memory;
                this.block = block;
                Initialise(block.Address, block.Size);
            }

            protected override bool ReleaseHandle()
            {
                memory.blocks--;
                block.Dispose();
                return true;
            }
        }
    }
}
