using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>cache[b, positions[b] + i, :] = source[b, i, :], rows copied as bytes.</summary>
/// <remarks>
/// Shapes and strides: as <see cref="KvCacheAppendForward"/>.
/// Work: a batch is about 64 KiB of rows.
/// Bytes: every new row read and written once; no arithmetic.
/// Numerics: bytes as they are.
/// Preconditions: source and cache of one element type, any; every row within the capacity, checked
/// before the first is written.
/// </remarks>
internal sealed class KvCacheAppendForwardSimd : IKernel<KvCacheAppendForward>
{
    private const long BytesPerBatch = 65536;

    /// <inheritdoc/>
    public bool Supports(in KvCacheAppendForward call, out string? reason)
    {
        reason = call.Source.DType == call.Cache.DType ? null
            : $"copies rows as they are; 'source' is {call.Source.DType}, 'cache' is " +
              $"{call.Cache.DType}";
        return reason is null;
    }

    /// <inheritdoc/>
    public unsafe void Run(in KvCacheAppendForward call)
    {
        int* positions = call.Positions.Pointer<int>();
        IdCheck.CacheRoom(KvCacheAppendForward.Op, "positions", positions, call.Batch,
            call.NewLength, call.Capacity);
        int size = call.Cache.DType.Size();
        Work work = new()
        {
            Source = (byte*)call.Source.Address,
            Cache = (byte*)call.Cache.Address,
            Positions = positions,
            SourceRow = call.EffectiveSourceRowStride * size,
            RowBytes = (long)call.Width * size,
            NewLength = call.NewLength,
            Capacity = call.Capacity,
            Rows = (long)call.Batch * call.NewLength,
        };
        work.RowsPerBatch = Math.Max(1, BytesPerBatch / work.RowBytes);
        CpuParallel.For(
            checked((int)((work.Rows + work.RowsPerBatch - 1) / work.RowsPerBatch)), ref work);
    }

    private unsafe struct Work : IBatchWork
    {
        public byte* Source;
        public byte* Cache;
        public int* Positions;
        public long SourceRow;
        public long RowBytes;
        public int NewLength;
        public int Capacity;
        public long Rows;
        public long RowsPerBatch;

        public readonly void Run(int batch)
        {
            long end = Math.Min(Rows, (batch + 1) * RowsPerBatch);
            for (long row = batch * RowsPerBatch; row < end; row++)
            {
                long sequence = row / NewLength;
                long target = (sequence * Capacity) + Positions[sequence] + (row % NewLength);
                Buffer.MemoryCopy(Source + (row * SourceRow), Cache + (target * RowBytes),
                    RowBytes, RowBytes);
            }
        }
    }
}
