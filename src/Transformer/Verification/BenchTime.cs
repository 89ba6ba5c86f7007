using System.Diagnostics;
using Transformer.Backends;

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

    // Long enough that the host's start of the first call does not show.
    private const double DeviceSample = 5e-3;

    /// <summary>Calls until the budget is used up, after two calls to warm up.</summary>
    /// <param name="bound">The call.</param>
    /// <param name="budget">Time for all calls.</param>
    /// <param name="timer">The clock of the device where the call runs; null: the host's.</param>
    public static BenchTime Measure(
        BoundCase bound, TimeSpan budget, IDeviceTimer? timer = null)
    {
        if (timer is not null) return MeasureDevice(bound, budget, timer);
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

    // The host is ahead of the device: what a call takes among others, without the way there.
    private static BenchTime MeasureDevice(BoundCase bound, TimeSpan budget, IDeviceTimer timer)
    {
        double first = Sample(1);
        if (first > budget.TotalSeconds) return new(first, bound.CopyCount, null);
        double second = Sample(bound.CopyCount);
        int inner = (int)Math.Max(
            bound.CopyCount, Math.Min(MostSamples, DeviceSample / Math.Max(second, 1e-9)));
        List<double> samples = [];
        long begin = Stopwatch.GetTimestamp();
        do samples.Add(Sample(inner));
        while (Stopwatch.GetElapsedTime(begin) < budget && samples.Count < MostSamples);
        samples.Sort();
        return new(samples[samples.Count / 2], bound.CopyCount, Allocated(bound));

        double Sample(int count)
        {
            timer.Start();
            for (int i = 0; i < count; i++) bound.Start();
            return timer.Stop() / count;
        }
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
