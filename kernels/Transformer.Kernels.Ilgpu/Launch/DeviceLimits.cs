namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>What a device allows; launches take their shapes from it.</summary>
/// <param name="WarpSize">Threads that exchange registers.</param>
/// <param name="MaximumThreads">Threads of a group.</param>
/// <param name="SharedBytes">Shared memory of a group.</param>
/// <param name="Multiprocessors">Groups that run at once, at least.</param>
internal readonly record struct DeviceLimits(
    int WarpSize, int MaximumThreads, int SharedBytes, int Multiprocessors)
{
    /// <summary>Threads for one unit of work: a power of two, of whole warps, not more than are
    /// wanted or allowed.</summary>
    public int Threads(int wanted)
    {
        int threads = WarpSize;
        while (threads * 2 <= Math.Min(wanted, MaximumThreads)) threads *= 2;
        return threads;
    }
}
