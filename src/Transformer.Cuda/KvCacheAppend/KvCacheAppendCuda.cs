using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.FusedAttention;
using Transformer.Ops;

namespace Transformer.Cuda.KvCacheAppend;

/// <summary>Launches native/KvCacheAppend/kv_cache_append.cu.</summary>
internal sealed class KvCacheAppendCuda(CudaQueue queue) : IKernel<KvCacheAppendForward>
{
    private readonly CudaKernel kernel = queue.Kernel("kv_cache_append", "kv_cache_append");

    public bool Supports(in KvCacheAppendForward call, out string? reason)
    {
        reason = AttentionSupport.Float("source", call.Source) ??
            AttentionSupport.Float("cache", call.Cache) ??
            AttentionSupport.Float("cosines", call.Rotary.Cosines) ??
            AttentionSupport.Float("sines", call.Rotary.Sines) ??
            AttentionSupport.Blocks((Int128)call.Batch * call.NewLength);
        return reason is null;
    }

    public void Run(in KvCacheAppendForward call)
    {
        RotaryTables rotary = call.Rotary;
        Argument argument = new()
        {
            Source = call.Source.Address,
            Cache = call.Cache.Address,
            Positions = call.Positions.Address,
            BlockTable = call.BlockTable.Address,
            Cosines = rotary.Cosines.Address,
            Sines = rotary.Sines.Address,
            SourceStride = call.EffectiveSourceRowStride,
            Batch = call.Batch,
            NewLength = call.NewLength,
            Capacity = (int)Math.Min(int.MaxValue, call.EffectiveCapacity),
            Width = call.Width,
            TableStride = call.MaximumBlocks,
            PageSize = call.PageSize,
            PageCount = call.PageCount,
            TableRows = rotary.MaxPositions,
            Rotary = rotary.EffectiveRotaryDimension(call.HeadDimension),
            HeadDimension = call.HeadDimension,
            Interleaved = rotary.Interleaved ? 1 : 0,
            SourceType = AttentionArgument.Type(call.Source),
            CacheType = AttentionArgument.Type(call.Cache),
            CosinesType = AttentionArgument.Type(rotary.Cosines),
            SinesType = AttentionArgument.Type(rotary.Sines),
        };
        kernel.Launch(new((uint)(call.Batch * call.NewLength), 128), argument);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Source, Cache, Positions, BlockTable, Cosines, Sines;
        public long SourceStride;
        public int Batch, NewLength, Capacity, Width;
        public int TableStride, PageSize, PageCount;
        public int TableRows, Rotary, HeadDimension, Interleaved;
        public uint SourceType, CacheType, CosinesType, SinesType;
    }
}
