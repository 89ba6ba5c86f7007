using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Finds the largest elements of one row: what is kept is a heap whose root, the least of
/// them, is a bound that almost every vector of the row fails at once.</summary>
/// <remarks>
/// An element and its place are one 64-bit number, its rank: larger elements have larger ranks, of
/// equal elements the first. A row of n in random order sends about k·ln(n/k) elements to the heap.
/// </remarks>
internal static unsafe class LargestElements
{
    // A stretch of a row widened to floats; fits L1 beside the heap.
    private const int Stretch = 1024;

    /// <summary>Larger for a larger element, for NaN largest, for equal elements larger for the one
    /// before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Rank(float value, int index)
    {
        // Positive numbers are ordered as their bits are, negative ones the other way round; adding
        // 0 makes −0 into 0.
        uint bits = BitConverter.SingleToUInt32Bits(value + 0f);
        uint key = (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
        if (float.IsNaN(value)) key = uint.MaxValue;
        return ((ulong)key << 32) | ~(uint)index;
    }

    /// <summary>The place of the element with that rank.</summary>
    public static int Index(ulong rank) => (int)~(uint)rank;

    /// <summary>The element with that rank; −0 became 0.</summary>
    private static float Value(ulong rank)
    {
        uint key = (uint)(rank >> 32);
        if (key == uint.MaxValue) return float.NaN;
        return BitConverter.UInt32BitsToSingle(
            (key & 0x8000_0000) != 0 ? key & 0x7FFF_FFFF : ~key);
    }

    /// <summary>Ranks of the <paramref name="count"/> largest elements, the least of them first and
    /// the rest as a heap.</summary>
    /// <param name="type">Element type of the row.</param>
    /// <param name="row">[length].</param>
    /// <param name="length">Elements, at least count.</param>
    /// <param name="heap">[count], overwritten.</param>
    /// <param name="count">1 or more.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Select(DType type, byte* row, int length, ulong* heap, int count)
    {
        float* widened = stackalloc float[Stretch];
        int size = type.Size(), filled = 0;
        for (int start = 0; start < length; start += Stretch)
        {
            int here = Math.Min(Stretch, length - start);
            float* x = (float*)row + start;
            if (type != DType.Float32)
            {
                FloatStorage.Widen(type, row + ((long)start * size), widened, here);
                x = widened;
            }

            int first = 0;
            for (; first < here && filled < count; first++)
            {
                heap[filled++] = Rank(x[first], start + first);
                if (filled == count) Heapify(heap, count);
            }

            Scan(x, first, here, start, heap, count);
        }
    }

    /// <summary>Ranks by falling rank in place of the heap.</summary>
    public static void SortDescending(ulong* heap, int count)
    {
        for (int last = count - 1; last > 0; last--)
        {
            (heap[0], heap[last]) = (heap[last], heap[0]);
            SiftDown(heap, last);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scan(float* x, int i, int end, int start, ulong* heap, int count)
    {
        Vector256<float> bound = Vector256.Create(Value(heap[0]));
        for (; i + 32 <= end; i += 32)
        {
            // NaN is not below any bound and takes the slow way.
            Vector256<float> below =
                Vector256.LessThanOrEqual(Vector256.Load(x + i), bound) &
                Vector256.LessThanOrEqual(Vector256.Load(x + i + 8), bound) &
                Vector256.LessThanOrEqual(Vector256.Load(x + i + 16), bound) &
                Vector256.LessThanOrEqual(Vector256.Load(x + i + 24), bound);
            if (Vector256.EqualsAll(below.AsInt32(), Vector256<int>.AllBitsSet)) continue;
            for (int j = i; j < i + 32; j++) Offer(Rank(x[j], start + j), heap, count);
            bound = Vector256.Create(Value(heap[0]));
        }

        for (; i < end; i++) Offer(Rank(x[i], start + i), heap, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Offer(ulong rank, ulong* heap, int count)
    {
        if (rank <= heap[0]) return;
        heap[0] = rank;
        SiftDown(heap, count);
    }

    private static void Heapify(ulong* heap, int count)
    {
        // From the last parent up; SiftDown works on the heap that starts at its element.
        for (int parent = (count / 2) - 1; parent >= 0; parent--) SiftDown(heap, count, parent);
    }

    private static void SiftDown(ulong* heap, int count, int at = 0)
    {
        ulong moving = heap[at];
        for (int child = (2 * at) + 1; child < count; child = (2 * at) + 1)
        {
            if (child + 1 < count && heap[child + 1] < heap[child]) child++;
            if (heap[child] >= moving) break;
            heap[at] = heap[child];
            at = child;
        }

        heap[at] = moving;
    }
}
