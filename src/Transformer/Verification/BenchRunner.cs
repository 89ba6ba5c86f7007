using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>Times every op on every chosen backend against the machine's limits, against the same
/// work as separate passes, and against the reference.</summary>
public static class BenchRunner
{
    // Operations a second that the reference certainly exceeds; decides whether it is timed in
    // full.
    private const double ReferenceRate = 2e8;

    // The runtime waits 100 ms without new methods before it compiles hot ones again.
    private static readonly TimeSpan TierUpDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>Times the chosen calls, yielding each row as soon as it is there.</summary>
    /// <param name="limits">Of this machine: <see cref="MachineLimits.Measure"/>.</param>
    /// <param name="options">What to time; null: everything.</param>
    /// <exception cref="ArgumentException">An unknown op or backend, or two backends of one name.
    /// </exception>
    public static IEnumerable<BenchRow> Run(MachineLimits limits, BenchOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(limits);
        options ??= new();
        BackendChoice choice = new("bench", options.Backends, options.Candidates,
            [BackendRegistry.Default],
            BackendRegistry.All.Where(
                b => b.IsAvailable && b.Priority >= 0 && b != BackendRegistry.Reference));
        IReadOnlyList<BenchCase> cases = Cases(options.Size ?? BenchSize.Base);
        IReadOnlyList<BenchCase> small = Cases(BenchSize.Small);
        if (small.Count != cases.Count)
        {
            throw new ArgumentException($"bench: the cases are {small.Count} at size " +
                $"{BenchSize.Small.Name} and {cases.Count} at the size asked for; expected the " +
                "same calls at every size. Correct the plug-in's cases.");
        }

        TimeSpan budget = options.Budget ?? TimeSpan.FromSeconds(0.2);
        return WarmedUp(small, On).Zip(cases)
            .SelectMany(pair => Rows(pair.Second, pair.First, On(pair.Second), limits, budget,
                WorkingSet(pair.Second.Work, limits, options)));

        IReadOnlyList<Backend> On(BenchCase c) =>
            options.Ops is { Count: > 0 } ? choice.Backends : choice.For(c.Op, c.Direction);
        IReadOnlyList<BenchCase> Cases(BenchSize size) =>
            [.. BenchCases.Select(size, options.Ops, options.Cases).Where(c => On(c).Count > 0)];
    }

    /// <summary>Runs baselines and kernels once and lets the compiler optimise what they call:
    /// without, some would be timed in unoptimised code and every factor would flatter.</summary>
    private static IEnumerable<BenchCase> WarmedUp(
        IReadOnlyList<BenchCase> small, Func<BenchCase, IReadOnlyList<Backend>> on)
    {
        for (int round = 0; round < 2; round++)
        {
            foreach (BenchCase single in small)
            {
                single.TimeUnfused(TimeSpan.Zero, workingSet: 0);
                single.Time(single.Reference, TimeSpan.Zero, workingSet: 0, out _);
                foreach (Backend backend in on(single))
                    single.Time(backend, TimeSpan.Zero, workingSet: 0, out _);
            }

            Thread.Sleep(TierUpDelay);
        }

        foreach (BenchCase single in small) yield return single;
    }

    // Only where memory is the limit does it matter where operands lie.
    private static long WorkingSet(
        BenchWork work, MachineLimits limits, BenchOptions options) =>
        work.Bytes / (1e9 * limits.Bandwidth) > work.Flops / (1e9 * limits.FmaPeakGflops)
            ? options.WorkingSet : 0;

    private static IEnumerable<BenchRow> Rows(
        BenchCase single, BenchCase small, IReadOnlyList<Backend> backends, MachineLimits limits,
        TimeSpan budget, long workingSet)
    {
        double? unfused = single.TimeUnfused(budget, workingSet)?.Seconds;
        (double? reference, bool estimated) = TimeReference(single, small, budget);
        foreach (Backend backend in backends)
        {
            BenchTime? time = single.Time(backend, budget, workingSet, out string? unsupported);
            yield return time is { } taken
                ? Row(single, backend, limits, taken, unfused, reference, estimated)
                : new(single.Op, backend.Name, single.Shape, single.DType, single.Direction,
                    double.NaN, double.NaN, double.NaN, null, null, null, false, unsupported);
        }
    }

    private static BenchRow Row(
        BenchCase single, Backend backend, MachineLimits limits, BenchTime time, double? unfused,
        double? reference, bool estimated)
    {
        BenchWork work = single.Work;
        double seconds = time.Seconds;
        double roofline = Math.Max(
            work.Flops / (1e9 * limits.FmaPeakGflops), work.Bytes / (1e9 * limits.Bandwidth));
        return new(single.Op, backend.Name, single.Shape, single.DType, single.Direction,
            seconds * 1e3, work.Flops / seconds / 1e9, work.Bytes / seconds / 1e9,
            backend.Memory.IsHostAccessible ? roofline / seconds : null, unfused / seconds,
            reference / seconds, reference is not null && estimated, null)
        {
            Copies = time.Copies,
            AllocatedBytes = time.AllocatedBytes,
        };
    }

    private static (double? Seconds, bool Estimated) TimeReference(
        BenchCase single, BenchCase small, TimeSpan budget)
    {
        Backend reference = single.Reference;
        double work = Math.Max(single.Work.Flops, single.Work.Bytes);
        if (work / ReferenceRate <= 2 * budget.TotalSeconds)
        {
            return (single.Time(reference, budget, workingSet: 0, out _)?.Seconds, false);
        }

        double smallWork = Math.Max(small.Work.Flops, small.Work.Bytes);
        double? seconds = small.Time(reference, budget, workingSet: 0, out _)?.Seconds;
        return (seconds * (work / smallWork), true);
    }
}
