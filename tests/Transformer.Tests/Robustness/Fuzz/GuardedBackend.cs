using Transformer.Backends;
using Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>The vectorised kernels of caches on memory whose every block ends at a page that
/// nobody may touch.</summary>
internal sealed class GuardedBackend : Backend
{
    private GuardedBackend()
    {
        Register(new Kernel<KvCacheAppendForward>());
        Register(new Kernel<AttentionForward>());
    }

    public static GuardedBackend Instance { get; } = new();

    public override string Name => "guarded";

    public override string Device => "CPU";

    public override int Priority => -1;

    public override BackendMemory Memory { get; } = new GuardedBlocks();

    private sealed class Kernel<TCall> : IKernel<TCall> where TCall : struct, IOpCall
    {
        public bool Supports(in TCall call, out string? reason) =>
            BackendRegistry.Cpu.Supports(in call, out reason);

        public void Run(in TCall call) => BackendRegistry.Cpu.Run(in call);
    }

    private sealed unsafe class GuardedBlocks : BackendMemory
    {
        public override bool IsHostAccessible => true;

        public override MemoryBlock Allocate(long bytes) => new Block(checked((int)bytes));

        public override void CopyFromHost(nint source, nint destination, long bytes) =>
            Host.CopyFromHost(source, destination, bytes);

        public override void CopyToHost(nint source, nint destination, long bytes) =>
            Host.CopyToHost(source, destination, bytes);

        public override void Copy(nint source, nint destination, long bytes) =>
            Host.Copy(source, destination, bytes);

        public override void Clear(nint address, long bytes) => Host.Clear(address, bytes);

        /// <summary>At the end of its pages, aligned as elements need it.</summary>
        private sealed class Block : MemoryBlock
        {
            private const int Alignment = 4;
            private readonly GuardedMemory memory;

            public Block(int bytes)
            {
                memory = new(Math.Max(1, bytes));
                int room = (bytes + Alignment - 1) / Alignment * Alignment;
                Initialise((nint)(memory.Start + memory.Length - room), bytes);
            }

            protected override bool ReleaseHandle()
            {
                memory.Dispose();
                return true;
            }
        }
    }
}
