using ILGPU;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Softmax;

/// <summary>A call of softmax, or of its logarithm.</summary>
internal struct SoftmaxArgument<T> where T : unmanaged
{
    public ArrayView<T> Input, Output;
    public long Lines;
    public int Length, Inner, Logarithm, Aligned;
}

/// <summary>output = e^(x − m) / Σ e^(x − m) along a line with the maximum m, or its logarithm
/// x − m − ln Σ e^(x − m).</summary>
/// <remarks>
/// <para>Shapes: input, output [outer, length, inner]; lines = outer·inner; rows: inner = 1.</para>
/// <para>Work: GroupPerRow: threads take every so many-th chunk of four. GroupPerColumns: a group
/// takes as many lines side by side as a warp has lanes; a warp takes every so many-th element of
/// them.</para>
/// <para>Shared memory: two floats a warp; columns: two floats a thread. Registers: a chunk, the
/// running maximum and sum.</para>
/// <para>Bytes: input twice, the second time from cache where a line fits; output once.</para>
/// <para>Numerics: float; the running sum is scaled where the maximum grows. NaN, +∞ or nothing but
/// −∞ in a line makes all of it NaN.</para>
/// <para>The output may be the input: a thread writes what it alone has read. Source: Milakov,
/// Gimelshein 2018 (online normaliser).</para>
/// </remarks>
internal static class SoftmaxKernels
{
    public static void GroupPerRow<T, TStorage>(SoftmaxArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        long row = (long)Grid.IdxX * p.Length;
        int begin = Group.IdxX * 4, step = Group.DimX * 4, length = p.Length;
        LineSum line = LineSum.Empty();
        for (int i = begin; i < length; i += step)
            line.Add(Rows.Load<T, TStorage>(p.Input, row, i, length, p.Aligned), length - i);
        line.Merge(shared);
        LineResult result = line.Results(p.Logarithm);
        for (int i = begin; i < length; i += step)
        {
            Float4 x = Rows.Load<T, TStorage>(p.Input, row, i, length, p.Aligned);
            Rows.Store<T, TStorage>(p.Output, row, i, length, p.Aligned, result.Of(x));
        }
    }

    public static void GroupPerColumns<T, TStorage>(SoftmaxArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<float> peaks = SharedMemory.GetDynamic<float>();
        ArrayView<float> sums = peaks.SubView(Group.DimX, Group.DimX);
        TStorage storage = default;
        int lane = Warp.LaneIdx, warps = Group.DimX / Warp.WarpSize;
        int warp = Group.IdxX / Warp.WarpSize;
        long at = ((long)Grid.IdxX * Warp.WarpSize) + lane;
        int length = at < p.Lines ? p.Length : 0;
        long first = (at / p.Inner * p.Inner * p.Length) + (at % p.Inner);
        LineSum line = LineSum.Empty();
        for (int k = warp; k < length; k += warps)
            line.Add(storage.Load(p.Input, first + ((long)k * p.Inner)));
        peaks[Group.IdxX] = line.Maximum;
        Group.Barrier();
        float peak = peaks[lane];
        for (int i = 1; i < warps; i++)
        {
            float other = peaks[(i * Warp.WarpSize) + lane];
            peak = other > peak ? other : peak;
        }

        line.Raise(peak);
        sums[Group.IdxX] = line.Sum;
        Group.Barrier();
        line.Sum = 0;
        for (int i = 0; i < warps; i++) line.Sum += sums[(i * Warp.WarpSize) + lane];
        line.Close();
        LineResult result = line.Results(p.Logarithm);
        for (int k = warp; k < length; k += warps)
        {
            long element = first + ((long)k * p.Inner);
            float x = storage.Load(p.Input, element);
            storage.Store(p.Output, element, result.Of(x));
        }
    }
}
