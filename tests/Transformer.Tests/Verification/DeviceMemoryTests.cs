using System.Collections.Concurrent;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>A backend whose memory the CPU cannot address passes through the harness like any
/// other; also the pattern for kernels of a GPU library.</summary>
public sealed class DeviceMemoryTests
{
    [Fact]
    public void Parity_MovesEveryOperandThroughTheBackendsMemory()
    {
        DeviceBackend device = new();

        ParityResult[] results = [.. ParityRunner.Run(new() { Candidates = [device] })];

        Assert.All(results, r => Assert.False(r.Failed, r.ToString()));
        Assert.Equal(["LayerNorm", "Linear"],
            results.Where(r => r.Passed).Select(r => r.Op).Distinct());
        Assert.Equal(0, device.Pending);
        Assert.Equal(0, device.Blocks);
    }

    [Fact]
    public void Bench_HasNoRoofline_ForMemoryOfItsOwn()
    {
        BenchRow[] rows = [.. BenchRunner.Run(new(50, 100, 10, 12, 2, 256),
            new(Size: BenchSize.Small, Budget: TimeSpan.FromMilliseconds(1))
            {
                Candidates = [new DeviceBackend()],
            })];

        BenchRow[] own = [.. rows.Where(r => r.Backend == "device")];
        Assert.NotEmpty(own);
        Assert.All(own, r => Assert.True(r.Milliseconds > 0 && r.OfLimit is null, r.Unsupported));
    }

    /// <summary>Kernels are queued; results are there after Synchronize.</summary>
    private sealed class DeviceBackend : Backend
    {
        private readonly Queue<Action> queue = new();
        private readonly DeviceMemory memory = new();

        public DeviceBackend()
        {
            Register(new Kernel<LayerNormForward>(this, (in call, map) => call with
            {
                Input = map(call.Input), Residual = map(call.Residual), Weight = map(call.Weight),
                Bias = map(call.Bias), Sum = map(call.Sum), Output = map(call.Output),
                Mean = map(call.Mean), InverseStd = map(call.InverseStd),
            }));
            Register(new Kernel<LinearBackward>(this, (in call, map) => call with
            {
                Input = map(call.Input), Weight = map(call.Weight),
                PreActivation = map(call.PreActivation), OutputGradient = map(call.OutputGradient),
                InputGradient = map(call.InputGradient),
                WeightGradient = map(call.WeightGradient), BiasGradient = map(call.BiasGradient),
            }));
        }

        public int Blocks => memory.LiveBlocks;

        public int Pending => queue.Count;

        public override string Name => "device";

        public override string Device => "host memory behind addresses that nobody can read";

        public override int Priority => -1;

        public override BackendMemory Memory => memory;

        public override void Synchronize()
        {
            while (queue.TryDequeue(out Action? kernel)) kernel();
        }

        private delegate TCall Translate<TCall>(in TCall call, Func<BufferView, BufferView> map);

        private sealed class Kernel<TCall>(DeviceBackend device, Translate<TCall> translate)
            : IKernel<TCall> where TCall : struct, IOpCall
        {
            public void Run(in TCall call)
            {
                TCall onHost = translate(in call, view => view.IsAbsent ? view
                    : new(device.memory.Locate(view.Address), view.Length, view.DType));
                device.queue.Enqueue(() => BackendRegistry.Reference.Run(onHost));
            }
        }
    }

    /// <summary>Blocks of host memory at invented addresses: reading one faults.</summary>
    private sealed unsafe class DeviceMemory : BackendMemory
    {
        private const long FirstAddress = 1L << 60;
        private readonly ConcurrentDictionary<nint, Block> blocks = new();
        private long next = FirstAddress;

        public override bool IsHostAccessible => false;

        public int LiveBlocks => blocks.Count;

        public override MemoryBlock Allocate(long bytes) => new Block(this, bytes);

        public override void CopyFromHost(nint source, nint destination, long bytes) =>
            Buffer.MemoryCopy((void*)source, (void*)Locate(destination), bytes, bytes);

        public override void CopyToHost(nint source, nint destination, long bytes) =>
            Buffer.MemoryCopy((void*)Locate(source), (void*)destination, bytes, bytes);

        public override void Copy(nint source, nint destination, long bytes) =>
            Buffer.MemoryCopy((void*)Locate(source), (void*)Locate(destination), bytes, bytes);

        public override void Clear(nint address, long bytes) =>
            new Span<byte>((void*)Locate(address), checked((int)bytes)).Clear();

        /// <summary>Where the bytes at a device address really lie.</summary>
        public nint Locate(nint address)
        {
            foreach ((nint first, Block block) in blocks)
            {
                if (address >= first && address <= first + block.Size)
                    return block.Storage + (address - first);
            }

            throw new InvalidOperationException($"0x{address:X} is no device address.");
        }

        private sealed class Block : MemoryBlock
        {
            private readonly DeviceMemory owner;
            private readonly HostBlock host;

            public Block(DeviceMemory owner, long bytes)
            {
                this.owner = owner;
                host = HostMemory.Rent(bytes);
                long room = (bytes + 4096) & ~63L;
                Initialise((nint)(Interlocked.Add(ref owner.next, room) - room), bytes);
                owner.blocks[Address] = this;
            }

            public nint Storage => host.Address;

            protected override bool ReleaseHandle()
            {
                owner.blocks.TryRemove(handle, out _);
                host.Dispose();
                return true;
            }
        }
    }
}
