using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>What an element counts for in a selection: a whole number, so that the order of
/// additions does not matter.</summary>
internal interface IRankWeight
{
    long Weigh(float value, ulong rank);
}

/// <summary>Every element counts once.</summary>
internal struct CountOne : IRankWeight
{
    public readonly long Weigh(float value, ulong rank) => 1;
}

/// <summary>The order of a row's elements, and where in it a sum is reached, by a group.</summary>
internal static class Ranks
{
    /// <summary>Of shared memory, for a selection; other sums may use them between two.</summary>
    public const int Bins = 256, Groups = 16;

    /// <summary>An element and its place as one number: larger for a larger element, for NaN
    /// largest, for equal elements (−0 equals 0) larger for the one before.</summary>
    public static ulong Of(float value, int index)
    {
        uint bits = Interop.FloatAsInt(value), magnitude = bits & 0x7FFFFFFF;
        uint key = magnitude == 0 ? 0x80000000
            : magnitude > 0x7F800000 ? 0xFFFFFFFF
            : (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
        return ((ulong)key << 32) | ~(uint)index;
    }

    /// <summary>The place of a rank's element.</summary>
    public static int Index(ulong rank) => (int)~(uint)rank;

    /// <summary>The largest number of the group, in every thread.</summary>
    /// <param name="value">The thread's own.</param>
    /// <param name="shared">A number a thread.</param>
    public static ulong Largest(ulong value, ArrayView<ulong> shared)
    {
        Group.Barrier(); // shared memory may still be read
        shared[Group.IdxX] = value;
        Group.Barrier();
        for (int i = 0; i < Group.DimX; i++) value = shared[i] > value ? shared[i] : value;
        return value;
    }

    /// <summary>The sum over the group, in every thread.</summary>
    public static long Sum(long value, ArrayView<long> shared)
    {
        Group.Barrier();
        shared[Group.IdxX] = value;
        Group.Barrier();
        long sum = 0;
        for (int i = 0; i < Group.DimX; i++) sum += shared[i];
        return sum;
    }

    /// <summary>The largest rank whose elements, with all of larger rank, weigh enough together.
    /// </summary>
    /// <remarks>Digits of 8 bits, the highest first: one pass over the row each, and none for
    /// digits that are alike in every rank.</remarks>
    /// <param name="view">The tensor.</param>
    /// <param name="row">Of the row's first element.</param>
    /// <param name="length">Of the row.</param>
    /// <param name="enough">At least 1, at most the weight of all.</param>
    /// <param name="bins"><see cref="Bins"/> and <see cref="Groups"/> numbers.</param>
    /// <param name="weight">What an element counts for.</param>
    public static ulong Select<T, TStorage, TWeight>(
        ArrayView<T> view, long row, int length, long enough, ArrayView<long> bins, TWeight weight)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TWeight : struct, IRankWeight
    {
        TStorage storage = default;
        ulong chosen = 0;
        for (int shift = 56; shift >= 0; shift -= 8)
        {
            if (shift < 32 && ((long)(length - 1) >> shift) == 0)
            {
                chosen |= 0xFFul << shift; // of inverted places
                continue;
            }

            Group.Barrier(); // the bins may still be read
            for (int i = Group.IdxX; i < Bins; i += Group.DimX) bins[i] = 0;
            Group.Barrier();
            for (int i = Group.IdxX; i < length; i += Group.DimX)
            {
                float x = storage.Load(view, row + i);
                ulong rank = Of(x, i);
                // The digits above this one; two shifts, as 64 at once would be none.
                if ((((rank ^ chosen) >> shift) >> 8) != 0) continue;
                long own = weight.Weigh(x, rank);
                if (own != 0) Atomic.Add(ref bins[(int)((rank >> shift) & 255)], own);
            }

            Group.Barrier();
            for (int g = Group.IdxX; g < Groups; g += Group.DimX)
            {
                long sum = 0;
                for (int i = 0; i < Bins / Groups; i++) sum += bins[(g * (Bins / Groups)) + i];
                bins[Bins + g] = sum;
            }

            Group.Barrier();
            int group = Groups - 1;
            while (group > 0 && bins[Bins + group] < enough)
            {
                enough -= bins[Bins + group];
                group--;
            }

            int first = group * (Bins / Groups), bin = first + (Bins / Groups) - 1;
            while (bin > first && bins[bin] < enough)
            {
                enough -= bins[bin];
                bin--;
            }

            chosen |= (ulong)bin << shift;
        }

        return chosen;
    }
}
