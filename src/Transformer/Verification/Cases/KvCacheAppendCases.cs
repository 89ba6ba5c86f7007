using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="KvCacheAppendForward"/>.</summary>
internal static class KvCacheAppendCases
{
    public static IEnumerable<ParityCase> All()
    {
        yield return Case(1, 1, 4, 1, 0, false);
        yield return Case(2, 1, 16, 15, 0, true);
        yield return Case(2, 3, 16, 17, 0, true);
        yield return Case(3, 5, 9, 64, 0, false);
        yield return Case(3, 2, 9, 33, 3 * 33, true);
        yield return Case(2, 7, 7, 251, 0, false);
        yield return Case(0, 1, 4, 8, 0, false);

        static ParityCase<KvCacheAppendForward> Case(
            int batch, int newLength, int capacity, int width, long stride, bool quick) =>
            new(FormattableString.Invariant(
                $"[{batch}, {newLength}, {width}] into {capacity}") +
                (stride == 0 ? "" : FormattableString.Invariant($" stride {stride}")),
                Tolerance.Exact, m => Call(m, batch, newLength, capacity, width, stride), quick);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        double elements = (double)size.Batch * size.Width;
        yield return new BenchCase<KvCacheAppendForward>(
            FormattableString.Invariant($"[{size.Batch}, 1, {size.Width}] into {size.Length}"),
            new(0, 8 * elements),
            m => Call(m, size.Batch, 1, size.Length, size.Width, 0));
    }

    internal static KvCacheAppendForward Call(
        CaseMemory memory, int batch, int newLength, int capacity, int width, long stride)
    {
        long rows = (long)batch * newLength;
        long step = stride == 0 ? width : stride;
        return new()
        {
            Source = memory.Input("source", rows == 0 ? 0 : ((rows - 1) * step) + width),
            Positions = memory.Input(
                "positions", memory.Integers("positions", batch, capacity - newLength + 1)),
            // Rows outside the new ones must stay as they are.
            Cache = memory.Updated("cache", (long)batch * capacity * width),
            Batch = batch,
            NewLength = newLength,
            Capacity = capacity,
            Width = width,
            SourceRowStride = stride,
        };
    }
}
