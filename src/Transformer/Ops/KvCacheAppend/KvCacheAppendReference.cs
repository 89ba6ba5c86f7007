using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Copies new key or value rows behind those that a cache holds.</summary>
/// <remarks>
/// Formula: cache[b, positions[b] + i, :] = source[b, i, :], each head rotated by
/// <see cref="RotaryEmbeddingReference"/> at positions[b] + i where tables are given.
/// Shapes: source [Batch, NewLength, Width], SourceRowStride elements between rows; cache [Batch,
/// Capacity, Width], or [PageCount, PageSize, Width] behind a block table [Batch, MaximumBlocks].
/// Work: one thread, row by row.
/// Bytes: each new element read and written once; no arithmetic but the rotation's.
/// Numerics: one rounding where the cache is narrower than the source or rows are rotated.
/// Preconditions: a validated call; positions and pages that leave no room are an
/// ArgumentException before anything is written.
/// </remarks>
internal sealed unsafe class KvCacheAppendReference : IKernel<KvCacheAppendForward>
{
    public void Run(in KvCacheAppendForward call)
    {
        KvCacheRows.Check(call);
        int* positions = call.Positions.Pointer<int>();
        for (int b = 0; b < call.Batch; b++)
        {
            for (int i = 0; i < call.NewLength; i++)
            {
                long position = (long)positions[b] + i;
                long source = (((long)b * call.NewLength) + i) * call.EffectiveSourceRowStride;
                long target = KvCacheRows.Target(call, b, position) * call.Width;
                if (call.Rotary.IsPresent) Rotate(call, position, source, target);
                else Copy(call, source, target);
            }
        }
    }

    private static void Copy(in KvCacheAppendForward call, long source, long target)
    {
        for (int w = 0; w < call.Width; w++)
        {
            double value = ReferenceBuffers.Get(call.Source, source + w);
            ReferenceBuffers.Set(call.Cache, target + w, value);
        }
    }

    private static void Rotate(
        in KvCacheAppendForward call, long position, long source, long target)
    {
        for (int w = 0; w < call.Width; w += call.HeadDimension)
        {
            RotaryEmbeddingReference.Rotate(call.Rotary, call.HeadDimension, position,
                inverse: false, call.Source, source + w, call.Cache, target + w);
        }
    }
}
