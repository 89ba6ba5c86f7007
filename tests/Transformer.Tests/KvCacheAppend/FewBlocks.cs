using Transformer.Backends;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>Host memory that gives out a number of blocks, and then no more.</summary>
internal sealed class FewBlocks(int most) : BackendMemory
{
    private int given;

    public List<MemoryBlock> Blocks { get; } = [];

    /// <summary>Blocks that nobody returned.</summary>
    public int Open => Blocks.Count(block => !block.IsClosed);

    public override bool IsHostAccessible => true;

    public override MemoryBlock Allocate(long bytes)
    {
        if (given++ == most) throw new InsufficientMemoryException("no more blocks");
        Blocks.Add(Host.Allocate(bytes));
        return Blocks[^1];
    }

    public override void CopyFromHost(nint source, nint destination, long bytes) =>
        Host.CopyFromHost(source, destination, bytes);

    public override void CopyToHost(nint source, nint destination, long bytes) =>
        Host.CopyToHost(source, destination, bytes);

    public override void Copy(nint source, nint destination, long bytes) =>
        Host.Copy(source, destination, bytes);

    public override void Clear(nint address, long bytes) => Host.Clear(address, bytes);
}

/// <summary>A backend of such memory, without kernels.</summary>
internal sealed class FewBlocksBackend(FewBlocks memory) : Backend
{
    public override string Name => "few-blocks";

    public override string Device => "test";

    public override int Priority => 0;

    public override BackendMemory Memory => memory;
}
