using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Copies new key or value rows behind those that a cache holds.</summary>
/// <remarks>
/// Formula: cache[b, positions[b] + i, :] = source[b, i, :].
/// Shapes: source [Batch, NewLength, Width], SourceRowStride elements between rows; cache [Batch,
/// Capacity, Width].
/// Work: one thread, row by row.
/// Bytes: each new element read and written once; no arithmetic.
/// Numerics: one rounding where the cache is narrower than the source.
/// Preconditions: a validated call; positions that leave no room are an ArgumentException.
/// </remarks>
internal sealed unsafe class KvCacheAppendReference : IKernel<KvCacheAppendForward>
{
    public void Run(in KvCacheAppendForward call)
    {
        int* positions = call.Positions.Pointer<int>();
        IdCheck.CacheRoom(KvCacheAppendForward.Op, "positions", positions, call.Batch,
            call.NewLength, call.Capacity);
        for (int b = 0; b < call.Batch; b++)
        {
            for (int i = 0; i < call.NewLength; i++)
            {
                long source = (((long)b * call.NewLength) + i) * call.EffectiveSourceRowStride;
                long target = (((long)b * call.Capacity) + positions[b] + i) * call.Width;
                for (int w = 0; w < call.Width; w++)
                {
                    double value = ReferenceBuffers.Get(call.Source, source + w);
                    ReferenceBuffers.Set(call.Cache, target + w, value);
                }
            }
        }
    }
}
