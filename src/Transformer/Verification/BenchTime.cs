using System.Diagnostics;

namespace Transformer.Verification;

/// <summary>What repeated calls of a case took.</summary>
/// <param name="Seconds">Median of a call.</param>
/// <param name="Copies">Instances of the operands that the calls took in turns.</param>
/// <param name="AllocatedBytes">On the managed heap by one call, after the first; null where there
/// was no time for a second.</param>
internal readonly record struct BenchTime(double Seconds, int Copies, long? AllocatedBytes)
{
    // Samples shorter than this are dominated by the clock.
    private const double ShortestSample = 50e-6;
    private const int MostSamples = 1001;
    private const int AllocationTrials = 3;

    /// <summary>Calls until the budget is used up, after two calls to warm up.</summary>
    public static BenchTime Measure(BoundCase bound, TimeSpan budget)
    {
        long begin = Stopwatch.GetTimestamp();
        bound.Run();
        double first = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        // A call beyond the budget is timed once, warm-up included.
        if (first > budget.TotalSeconds) return new(first, bound.CopyCount, null);
        begin = Stopwatch.GetTimestamp();
        bound.Run();
        double second = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        int inner = (int)Math.Clamp(ShortestSample / second, 1, 10_000);
        List<double> samples = [];
        begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < inner; i++) bound.Run();
            samples.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / inner);
        }
        while (Stopwatch.GetElapsedTime(begin) < budget && samples.Count < MostSamples);
        samples.Sort();
        return new(samples[samples.Count / 2], bound.CopyCount, Allocated(bound));
    }

    // All threads of the process count; the least of some trials leaves out what others did.
    private static long Allocated(BoundCase bound)
    {
        long least = long.MaxValue;
        for (int trial = 0; trial < AllocationTrials; trial++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            bound.Run();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return least;
    }
}
