using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>cache[b, positions[b] + i, :] = source[b, i, :], rotated and rounded on the way.
/// </summary>
/// <remarks>
/// Shapes and strides: as <see cref="KvCacheAppendForward"/>.
/// Work: a batch is about 64 KiB of rows. Rows of the cache's own type are copied as bytes; others
/// are widened to binary32, rotated head by head by <see cref="RotaryRow"/>, and rounded, in
/// pieces of whole heads that stay in the first-level cache.
/// Memory: two pieces of binary32 from the pool, 8 KiB together, or two heads where one is larger.
/// Bytes: every new row read and written once; 3 operations an element where rows are rotated.
/// Numerics: bytes as they are where types agree and nothing turns; else binary32 and one rounding.
/// Preconditions: source and cache of one type without rotation, any; else Float32, Float16 or
/// BFloat16 each, and tables of Float32. Room, pages and table rows are checked before the first
/// row is written.
/// </remarks>
internal sealed class KvCacheAppendForwardSimd : IKernel<KvCacheAppendForward>
{
    /// <inheritdoc/>
    public bool Supports(in KvCacheAppendForward call, out string? reason)
    {
        reason = null;
        bool copies = !call.Rotary.IsPresent && call.Source.DType == call.Cache.DType;
        if (copies) return true;
        if ((SimdSupport.Storage("source", call.Source) ??
            SimdSupport.Storage("cache", call.Cache)) is not null)
        {
            reason = "the kernel converts and rotates Float32, Float16 and BFloat16 only; " +
                $"'source' is {call.Source.DType}, 'cache' is {call.Cache.DType}";
            return false;
        }

        reason = SimdSupport.Float32("cosines", call.Rotary.Cosines) ??
            SimdSupport.Float32("sines", call.Rotary.Sines);
        return reason is null;
    }

    /// <inheritdoc/>
    public void Run(in KvCacheAppendForward call)
    {
        KvCacheRows.Check(call);
        SimdDispatch.Run(new KvCacheAppendAction(call));
    }
}

/// <summary>The call at one vector width.</summary>
internal readonly struct KvCacheAppendAction(KvCacheAppendForward call) : ISimdAction
{
    private const long BytesPerBatch = 65536;
    private const int PieceElements = 1024;

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        long rows = (long)call.Batch * call.NewLength;
        long rowBytes = (long)call.Width * call.Cache.DType.Size();
        long rowsPerBatch = Math.Max(
            Math.Max(1, BytesPerBatch / rowBytes), (rows / int.MaxValue) + 1);
        Work<T> work = new(call, rows, rowsPerBatch);
        CpuParallel.For((int)((rows + rowsPerBatch - 1) / rowsPerBatch), ref work);
    }

    private readonly unsafe struct Work<T>(
        KvCacheAppendForward call, long rows, long rowsPerBatch) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        private readonly KvCacheAppendForward call = call;
        private readonly int sourceSize = call.Source.DType.Size();
        private readonly int targetSize = call.Cache.DType.Size();
        private readonly int* positions = call.Positions.Pointer<int>();
        private readonly bool rotates = call.Rotary.IsPresent;

        public void Run(int batch)
        {
            bool copies = !rotates && call.Source.DType == call.Cache.DType;
            int head = rotates ? call.HeadDimension : 1;
            int piece = Math.Min(call.Width, Math.Max(head, PieceElements / head * head));
            using HostBlock scratch =
                copies ? default : HostMemory.Rent(2L * piece * sizeof(float));
            long end = Math.Min(rows, (batch + 1) * rowsPerBatch);
            long rowBytes = (long)call.Width * targetSize;
            for (long row = batch * rowsPerBatch; row < end; row++)
            {
                (long b, long i) = Math.DivRem(row, call.NewLength);
                long position = positions[b] + i;
                byte* source = (byte*)call.Source.Address +
                    (row * call.EffectiveSourceRowStride * sourceSize);
                byte* target = (byte*)call.Cache.Address +
                    (KvCacheRows.Target(call, b, position) * rowBytes);
                if (copies) Buffer.MemoryCopy(source, target, rowBytes, rowBytes);
                else Convert(source, position, piece, scratch.Pointer<float>(), target);
            }
        }

        private void Convert(
            byte* source, long position, int piece, float* scratch, byte* target)
        {
            for (int w = 0; w < call.Width; w += piece)
            {
                int count = Math.Min(piece, call.Width - w);
                float* wide = (float*)source + w;
                if (call.Source.DType != DType.Float32)
                {
                    wide = scratch;
                    FloatStorage.Widen(
                        call.Source.DType, source + ((long)w * sourceSize), wide, count);
                }

                if (rotates)
                {
                    bool last = call.Cache.DType == DType.Float32;
                    float* turned = last ? (float*)target + w : scratch + piece;
                    Rotate(wide, position, count, turned);
                    if (last) continue;
                    wide = turned;
                }

                FloatStorage.Narrow(
                    call.Cache.DType, wide, target + ((long)w * targetSize), count);
            }
        }

        private void Rotate(float* heads, long position, int count, float* turned)
        {
            int half = call.Rotary.EffectiveRotaryDimension(call.HeadDimension) / 2;
            float* cosines = call.Rotary.Cosines.Pointer<float>() + (position * half);
            float* sines = call.Rotary.Sines.Pointer<float>() + (position * half);
            for (int w = 0; w < count; w += call.HeadDimension)
            {
                RotaryRow.Rotate<T>(heads + w, cosines, sines, half, call.HeadDimension,
                    call.Rotary.Interleaved, sign: 1, turned + w);
            }
        }
    }
}
