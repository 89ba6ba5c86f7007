using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.TopK;

/// <summary>A call; absent values are empty.</summary>
internal struct TopKArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, Values;
    public ArrayView<int> Indices;
    public int Length, Count;

    /// <summary>The power of two from Count on.</summary>
    public int Padded;
}

/// <summary>indices[r, i] is the place of the i-th largest element of input[r, ·], values[r, i]
/// that element.</summary>
/// <remarks>
/// <para>Shapes: input [rows, length]; values, indices [rows, count].</para>
/// <para>Work: a group a row. Four passes over it find the rank of the count-th largest element, a
/// digit of 8 bits each (up to four more where elements are equal); one collects what is not below
/// it; a bitonic sort orders that.</para>
/// <para>Shared memory: 273 numbers of 64 bits and one for each element taken, padded.</para>
/// <para>Bytes: input five times, from cache after the first; what is taken once.</para>
/// <para>Numerics: elements are moved. NaN comes first; equal elements by rising index.</para>
/// <para>Source: radix selection: Alabi, Blanchard, Gordon, Steinbach 2012; bitonic sort: Batcher
/// 1968.</para>
/// </remarks>
internal static class TopKKernel
{
    /// <summary>Of shared memory, in 64 bits.</summary>
    public static int SharedNumbers(int padded) => Ranks.Bins + Ranks.Groups + 1 + padded;

    public static void GroupPerRow<T, TStorage>(TopKArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<long> bins = SharedMemory.GetDynamic<long>();
        int filled = Ranks.Bins + Ranks.Groups;
        ArrayView<ulong> taken = bins.SubView(filled + 1, p.Padded).Cast<ulong>();
        TStorage storage = default;
        long row = (long)Grid.IdxX * p.Length;
        if (Group.IdxX == 0) bins[filled] = 0;
        ulong least = Ranks.Select<T, TStorage, CountOne>(
            p.Input, row, p.Length, p.Count, bins, default);
        Group.Barrier();
        for (int i = p.Count + Group.IdxX; i < p.Padded; i += Group.DimX) taken[i] = 0;
        for (int i = Group.IdxX; i < p.Length; i += Group.DimX)
        {
            ulong rank = Ranks.Of(storage.Load(p.Input, row + i), i);
            if (rank >= least) taken[Atomic.Add(ref bins[filled], 1)] = rank;
        }

        Sort(taken, p.Padded);
        long first = (long)Grid.IdxX * p.Count;
        for (int i = Group.IdxX; i < p.Count; i += Group.DimX)
        {
            int index = Ranks.Index(taken[i]);
            p.Indices[first + i] = index;
            // As it was stored: no rounding.
            if (p.Values.Length > 0) p.Values[first + i] = p.Input[row + index];
        }
    }

    // The largest first.
    private static void Sort(ArrayView<ulong> taken, int count)
    {
        for (int size = 2; size <= count; size *= 2)
        {
            for (int step = size / 2; step > 0; step /= 2)
            {
                Group.Barrier();
                for (int i = Group.IdxX; i < count / 2; i += Group.DimX)
                {
                    int low = (i / step * 2 * step) + (i % step), high = low + step;
                    ulong a = taken[low], b = taken[high];
                    bool falling = (low & size) == 0; // all of the last round
                    if (falling ? a < b : a > b)
                    {
                        taken[low] = b;
                        taken[high] = a;
                    }
                }
            }
        }

        Group.Barrier();
    }
}
