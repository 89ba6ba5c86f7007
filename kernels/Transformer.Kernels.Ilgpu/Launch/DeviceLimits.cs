namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>What a device allows; launches take their shapes from it.</summary>
/// <param name="WarpSize">Threads that exchange registers.</param>
/// <param name="MaximumThreads">Threads of a group.</param>
/// <param name="SharedBytes">Shared memory of a group.</param>
/// <param name="Multiprocessors">Groups that run at once, at least.</param>
/// <param name="GridThreads">Threads of all groups along x.</param>
internal readonly record struct DeviceLimits(
    int WarpSize, int MaximumThreads, int SharedBytes, int Multiprocessors,
    long GridThreads = long.MaxValue)
{
    /// <summary>Threads for one unit of work: a power of two, of whole warps, not more than are
    /// wanted or allowed.</summary>
    public int Threads(int wanted)
    {
        int threads = WarpSize;
        while (threads * 2 <= Math.Min(wanted, MaximumThreads)) threads *= 2;
        return threads;
    }

    /// <summary>The most groups of so many threads that a launch has; a kernel sees its group's
    /// number as an int.</summary>
    public int Groups(int threads) => (int)Math.Min(int.MaxValue, GridThreads / threads);
}
