namespace Transformer.Tests;

/// <summary>Measures what work allocates on the managed heap.</summary>
internal static class ManagedAllocations
{
    private const int Rounds = 50;

    /// <summary>
    /// Bytes that a run of <paramref name="work"/> allocates on the calling thread once it is
    /// warm: the least of several rounds. The runtime may charge a thread for its own one-time
    /// work, whenever that falls; work that allocates does so in every round.
    /// </summary>
    public static long Least(Action work, int warmUp = 3, int runs = 1)
    {
        long least = long.MaxValue;
        for (int round = 0; round < Rounds && least > 0; round++)
        {
            for (int i = 0; i < warmUp; i++) work();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < runs; i++) work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
