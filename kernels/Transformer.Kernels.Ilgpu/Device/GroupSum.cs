using ILGPU;

namespace Transformer.Kernels.Ilgpu.Device;

/// <summary>Reductions over a group whose threads all call them.</summary>
internal static class GroupSum
{
    /// <summary>Floats of shared memory for a group.</summary>
    public static int SharedFloats(int threads, int warpSize) => 2 * threads / warpSize;

    /// <summary>The sum, in every thread.</summary>
    /// <param name="value">The thread's own.</param>
    /// <param name="shared">At least one float a warp.</param>
    public static float One(float value, ArrayView<float> shared)
    {
        value = OfWarp(value);
        int warps = Group.DimX / Warp.WarpSize;
        if (Warp.LaneIdx == 0) shared[Group.IdxX / Warp.WarpSize] = value;
        Group.Barrier();
        float sum = 0;
        for (int i = 0; i < warps; i++) sum += shared[i];
        Group.Barrier(); // shared memory may be written again
        return sum;
    }

    /// <summary>Two sums at once.</summary>
    /// <param name="a">The thread's first; becomes the sum.</param>
    /// <param name="b">The thread's second.</param>
    /// <param name="shared">At least two floats a warp.</param>
    public static void Two(ref float a, ref float b, ArrayView<float> shared)
    {
        a = OfWarp(a);
        b = OfWarp(b);
        int warps = Group.DimX / Warp.WarpSize;
        if (Warp.LaneIdx == 0)
        {
            int warp = Group.IdxX / Warp.WarpSize;
            shared[warp] = a;
            shared[warps + warp] = b;
        }

        Group.Barrier();
        a = 0;
        b = 0;
        for (int i = 0; i < warps; i++)
        {
            a += shared[i];
            b += shared[warps + i];
        }

        Group.Barrier();
    }

    /// <summary>The largest, in every thread.</summary>
    public static float Largest(float value, ArrayView<float> shared)
    {
        for (int distance = Warp.WarpSize / 2; distance > 0; distance /= 2)
        {
            float other = Warp.ShuffleXor(value, distance);
            value = other > value ? other : value;
        }

        int warps = Group.DimX / Warp.WarpSize;
        if (Warp.LaneIdx == 0) shared[Group.IdxX / Warp.WarpSize] = value;
        Group.Barrier();
        value = shared[0];
        for (int i = 1; i < warps; i++) value = shared[i] > value ? shared[i] : value;
        Group.Barrier();
        return value;
    }

    /// <summary>The sum of doubles, in every thread.</summary>
    /// <param name="value">The thread's own.</param>
    /// <param name="shared">One a thread.</param>
    public static double OfDoubles(double value, ArrayView<double> shared)
    {
        shared[Group.IdxX] = value;
        Group.Barrier();
        double sum = 0;
        for (int i = 0; i < Group.DimX; i++) sum += shared[i];
        Group.Barrier();
        return sum;
    }

    /// <summary>The sum over a warp, in every lane.</summary>
    public static float OfWarp(float value)
    {
        for (int distance = Warp.WarpSize / 2; distance > 0; distance /= 2)
            value += Warp.ShuffleXor(value, distance);
        return value;
    }
}
