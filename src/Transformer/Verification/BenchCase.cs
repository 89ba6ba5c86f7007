using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>One call to be timed.</summary>
public abstract class BenchCase
{
    private protected BenchCase(string shape, BenchWork work)
    {
        Shape = shape;
        Work = work;
    }

    /// <summary>The op's name.</summary>
    public abstract string Op { get; }

    /// <summary>Forward or backward.</summary>
    public abstract OpDirection Direction { get; }

    /// <summary>Sizes and options.</summary>
    public string Shape { get; }

    /// <summary>What the call must do at least.</summary>
    public BenchWork Work { get; }

    /// <summary>Defines the op, for factors over the reference; the registry's by default.
    /// </summary>
    public Backend Reference { get; init; } = BackendRegistry.Reference;

    /// <summary>Seconds of one call on the backend; null where it lacks the call.</summary>
    internal abstract double? Time(Backend backend, TimeSpan budget, out string? unsupported);

    /// <summary>Seconds of the unfused, single-threaded version; null where there is none.
    /// </summary>
    internal abstract double? TimeUnfused(TimeSpan budget);
}

/// <summary>The least work that a call's definition asks for.</summary>
/// <param name="Flops">Additions and multiplications; hidden pairs of attention do not count; an
/// exponential counts as one.</param>
/// <param name="Bytes">Every input read once and every output written once; what is added to is
/// read and written.</param>
public readonly record struct BenchWork(double Flops, double Bytes);

/// <summary>A timed call of one type.</summary>
/// <typeparam name="TCall">The call.</typeparam>
/// <param name="shape">Sizes and options; seeds the inputs.</param>
/// <param name="work">What the call must do at least.</param>
/// <param name="build">Allocates the operands and builds the call.</param>
/// <param name="unfused">Runs the same call as separate plain passes, on host memory.</param>
public sealed class BenchCase<TCall>(
    string shape, BenchWork work, Func<CaseMemory, TCall> build, Action<TCall>? unfused = null)
    : BenchCase(shape, work) where TCall : struct, IOpCall
{
    // Samples shorter than this are dominated by the clock.
    private const double ShortestSample = 50e-6;
    private const int MostSamples = 1001;

    // Long enough that the host's start of the first call does not show.
    private const double LongestDeviceSample = 5e-3;
    private const int MostCopies = 16;

    /// <inheritdoc/>
    public override string Op => TCall.Op;

    /// <inheritdoc/>
    public override OpDirection Direction => TCall.Direction;

    internal override double? Time(
        Backend backend, TimeSpan budget, [NotNullWhen(false)] out string? unsupported)
    {
        if (backend.UnavailableReason is { } absent)
        {
            unsupported = absent;
            return null;
        }

        try
        {
            using CaseMemory memory = new(NewData(backend), backend.Memory, DType.Float32);
            TCall call = build(memory);
            call.Validate();
            if (!backend.Supports(in call, out unsupported)) return null;
            unsupported = null;
            using IDeviceTimer? timer = backend.CreateTimer();
            if (timer is not null) return DeviceMedian(backend, timer, budget, call);
            return Median(budget, () => backend.Run(in call));
        }
        catch (NotSupportedException exception)
        {
            // Nothing can make this call's inputs.
            unsupported = exception.Message;
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // A kernel that throws is a finding about that kernel, not the end of the run.
            unsupported = $"it threw {exception.GetType().Name}: {exception.Message}";
            return null;
        }
    }

    internal override double? TimeUnfused(TimeSpan budget)
    {
        if (unfused is null) return null;
        using CaseMemory memory =
            new(NewData(Reference), BackendMemory.Host, DType.Float32);
        TCall call = build(memory);
        return Median(budget, () => unfused(call));
    }

    // Inputs that are results of another call come from the backend itself, or from the CPU's: the
    // reference would take minutes at these sizes.
    private CaseData NewData(Backend backend) => new(CaseData.Hash(Op + Shape), DType.Float32,
        false, [backend, BackendRegistry.Cpu, Reference], DType.Float32);

    // By the device's own clock, the host far ahead of it: what a call takes among others. Calls
    // take turns with copies of their operands, so that they do not find them in the cache.
    private double DeviceMedian(
        Backend backend, IDeviceTimer timer, TimeSpan budget, TCall first)
    {
        int copies = (int)Math.Clamp(2 * timer.CacheBytes / Math.Max(1, Work.Bytes), 1, MostCopies);
        CaseMemory[] memories = new CaseMemory[copies - 1];
        TCall[] calls = [first, .. new TCall[copies - 1]];
        try
        {
            for (int i = 1; i < copies; i++)
            {
                memories[i - 1] = new(NewData(backend), backend.Memory, DType.Float32);
                calls[i] = build(memories[i - 1]);
            }

            double once = Sample(backend, timer, calls, 1);
            if (once > budget.TotalSeconds) return once;
            once = Sample(backend, timer, calls, copies);
            int inner = (int)Math.Clamp(LongestDeviceSample / once, copies, MostSamples);
            List<double> samples = [];
            long begin = Stopwatch.GetTimestamp();
            do samples.Add(Sample(backend, timer, calls, inner));
            while (Stopwatch.GetElapsedTime(begin) < budget && samples.Count < MostSamples);
            samples.Sort();
            return samples[samples.Count / 2];
        }
        finally
        {
            foreach (CaseMemory memory in memories) memory?.Dispose();
        }
    }

    private static double Sample(Backend backend, IDeviceTimer timer, TCall[] calls, int count)
    {
        timer.Start();
        for (int i = 0; i < count; i++) backend.Run(in calls[i % calls.Length]);
        return timer.Stop() / count;
    }

    private static double Median(TimeSpan budget, Action run)
    {
        long begin = Stopwatch.GetTimestamp();
        run();
        double first = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        // A call beyond the budget is timed once, warm-up included.
        if (first > budget.TotalSeconds) return first;
        begin = Stopwatch.GetTimestamp();
        run();
        double second = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        int inner = (int)Math.Clamp(ShortestSample / second, 1, 10_000);
        List<double> samples = [];
        begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < inner; i++) run();
            samples.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / inner);
        }
        while (Stopwatch.GetElapsedTime(begin) < budget && samples.Count < MostSamples);
        samples.Sort();
        return samples[samples.Count / 2];
    }
}
