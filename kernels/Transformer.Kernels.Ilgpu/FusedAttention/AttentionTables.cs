using ILGPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Small tables that the host makes, once for each setting that calls come with; models
/// have one or two. They stay for the queue's life.</summary>
/// <param name="queue">Where the kernels run.</param>
internal sealed unsafe class AttentionTables(KernelQueue queue)
{
    private readonly Lock gate = new();
    private readonly Dictionary<RelativePositionBuckets, (MemoryBlock Block, int Count)> tables =
        [];

    /// <summary>The least distance of each bucket that several distances share; none where the
    /// call has no such buckets.</summary>
    public ArrayView<int> Thresholds(in AttentionInputs inputs)
    {
        if (inputs.Options.RelativeBuckets is not { } buckets || inputs.RelativeBias.IsAbsent)
            return default;
        lock (gate)
        {
            if (!tables.TryGetValue(buckets, out (MemoryBlock Block, int Count) table))
                tables[buckets] = table = Upload(AttentionArguments.Thresholds(buckets));
            return queue.View<int>(table.Block.Address, table.Count);
        }
    }

    private (MemoryBlock Block, int Count) Upload(int[] table)
    {
        int bytes = table.Length * sizeof(int);
        MemoryBlock block = queue.Memory.Allocate(bytes);
        try
        {
            fixed (int* source = table)
                queue.Memory.CopyFromHost((nint)source, block.Address, bytes);
        }
        catch
        {
            block.Dispose();
            throw;
        }

        return (block, table.Length);
    }
}
