using System.Diagnostics;
using Transformer.Backends;

namespace Transformer.Models.Graph;

/// <summary>Where the time of a graph goes: calls and seconds of each kind of kernel.</summary>
/// <remarks>Set as <see cref="CompiledGraph.Profile"/>. Two clock readings a kernel are its cost
/// (about 50 ns); a graph without a profile pays one comparison a run. Meaningful where calls
/// return when their work is done, as on the CPU. Not safe for use by several threads at once.
/// </remarks>
public sealed class ExecutionProfile
{
    private readonly Dictionary<(string Kind, OpDirection Direction), Sum> sums = [];

    private sealed class Sum
    {
        public long Calls, Ticks;
    }

    /// <summary>Seconds inside all kernels.</summary>
    public double Seconds => sums.Values.Sum(s => s.Ticks) / (double)Stopwatch.Frequency;

    /// <summary>Kinds of kernels by falling time.</summary>
    public IReadOnlyList<ProfileRow> Rows =>
    [
        .. sums.Select(s => new ProfileRow(s.Key.Kind, s.Key.Direction, s.Value.Calls,
            s.Value.Ticks / (double)Stopwatch.Frequency)).OrderByDescending(r => r.Seconds),
    ];

    /// <summary>Forgets all measurements.</summary>
    public void Clear()
    {
        foreach (Sum sum in sums.Values) sum.Calls = sum.Ticks = 0;
    }

    internal void Run(PreparedCall call, string kind)
    {
        if (!sums.TryGetValue((kind, call.Direction), out Sum? sum))
            sums[(kind, call.Direction)] = sum = new();
        long start = Stopwatch.GetTimestamp();
        call.Run();
        sum.Ticks += Stopwatch.GetTimestamp() - start;
        sum.Calls++;
    }
}

/// <summary>The time of one kind of kernel.</summary>
/// <param name="Kind">The op and what is fused into it.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Seconds">All of them together.</param>
public readonly record struct ProfileRow(
    string Kind, OpDirection Direction, long Calls, double Seconds);
