using System.Diagnostics;
using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Measurement;

/// <summary>Times of repetitions: first some to warm up, then plain ones, of which the median
/// counts, then profiled ones, which tell where the time goes.</summary>
internal sealed class Repetitions(TimeSpan budget)
{
    private const int WarmUps = 2, Fewest = 3;

    private readonly List<double> plain = [];
    private readonly ExecutionProfile profile = new();
    private double profiledSeconds, spent;
    private int warm, profiled;

    /// <summary>What the next repetition runs with.</summary>
    public ExecutionProfile? Profile => plain.Count >= Fewest && spent >= budget.TotalSeconds / 2
        ? profile : null;

    /// <summary>Whether all are made.</summary>
    public bool Done => profiled >= Fewest && spent >= budget.TotalSeconds;

    /// <summary>Median time of a plain repetition.</summary>
    public double Milliseconds
    {
        get
        {
            plain.Sort();
            return 1000 * plain[plain.Count / 2];
        }
    }

    /// <summary>Share of the profiled time outside kernels.</summary>
    public double Overhead => 1 - (profile.Seconds / profiledSeconds);

    /// <summary>Kinds of kernels by falling time.</summary>
    public IReadOnlyList<KernelShare> Kernels =>
    [
        .. profile.Rows.Select(row => new KernelShare(
            row.Direction == OpDirection.Forward ? row.Kind : $"{row.Kind}, backward",
            row.Seconds / profiledSeconds, 1000 * row.Seconds / profiled)),
    ];

    /// <summary>Takes note of one repetition, which ran with <see cref="Profile"/>.</summary>
    public void Add(double seconds)
    {
        if (warm < WarmUps)
        {
            warm++;
            return;
        }

        bool wasProfiled = Profile is not null;
        spent += seconds;
        if (!wasProfiled)
        {
            plain.Add(seconds);
            return;
        }

        profiled++;
        profiledSeconds += seconds;
    }

    /// <summary>Makes all repetitions of one thing.</summary>
    public void Run(Action<ExecutionProfile?> repeat, CancellationToken cancellation)
    {
        while (!Done)
        {
            cancellation.ThrowIfCancellationRequested();
            ExecutionProfile? with = Profile;
            long start = Stopwatch.GetTimestamp();
            repeat(with);
            Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }
}
