using ILGPU;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Small tables that the host makes for a call.</summary>
internal sealed unsafe class AttentionTables : IDisposable
{
    private readonly MemoryBlock? block;

    public AttentionTables(KernelQueue queue, in AttentionInputs inputs)
    {
        if (inputs.Options.RelativeBuckets is not { } buckets || inputs.RelativeBias.IsAbsent)
            return;
        int[] thresholds = AttentionArguments.Thresholds(buckets);
        int bytes = thresholds.Length * sizeof(int);
        block = queue.Rent(bytes);
        fixed (int* source = thresholds)
            queue.Memory.CopyFromHost((nint)source, block.Address, bytes);
        Thresholds = queue.View<int>(block.Address, thresholds.Length);
    }

    public ArrayView<int> Thresholds { get; }

    public void Dispose() => block?.Dispose();
}
