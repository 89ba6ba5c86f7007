using System.Diagnostics;
using System.Globalization;
using Transformer.Backends;

namespace Transformer.Cli.Commands.Bench;

/// <summary>
/// Measures one point in a process of its own, so that its peak working set is the point's alone.
/// </summary>
internal static class ScalingProcess
{
    private const string PointWord = "measure-point", FirstWord = "measure-first-result";
    private const string Answer = "measured";
    private const int LeastCalls = 3, MostCalls = 1001;
    private const double MiB = 1 << 20;

    /// <summary>Whether arguments ask for a measurement instead of a command.</summary>
    public static bool Asks(string[] args) => args is [PointWord or FirstWord, ..];

    /// <summary>Measures what the arguments name and writes one line.</summary>
    public static int Run(string[] args, TextWriter output)
    {
        if (args is [FirstWord])
        {
            ScalingWork.Attention(128, default).Run();
            output.WriteLine(Answer);
            return Application.Done;
        }

        (string name, int size, double seconds, int threads) =
            (args[1], (int)Number(args[2]), Number(args[3]), (int)Number(args[4]));
        BackendRegistry.CpuThreads = threads;
        ScalingPoint point = Measure(
            ScalingSeries.All.Single(s => s.Name == name), size, TimeSpan.FromSeconds(seconds));
        string peak = point.PeakMiB is { } known ? Text(known) : "-";
        output.WriteLine($"{Answer} {Text(point.Milliseconds)} {Text(point.OperandMiB)} {peak}");
        return Application.Done;
    }

    /// <summary>One point, in a new process.</summary>
    /// <exception cref="InvalidOperationException">The process failed.</exception>
    public static ScalingPoint Start(ScalingSeries series, int size, TimeSpan budget)
    {
        string[] words = Ask([PointWord, series.Name, Text(size), Text(budget.TotalSeconds),
            Text(BackendRegistry.CpuThreads)]).Split(' ');
        return new(size, Number(words[1]), Number(words[2]),
            words[3] == "-" ? null : Number(words[3]));
    }

    /// <summary>Milliseconds from the start of a process to its first attention result.</summary>
    /// <exception cref="InvalidOperationException">The process failed.</exception>
    public static double FirstResult()
    {
        long start = Stopwatch.GetTimestamp();
        Ask([FirstWord]);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <summary>Measures in this process.</summary>
    internal static ScalingPoint Measure(ScalingSeries series, int size, TimeSpan budget)
    {
        // What the smallest call needs, code and threads, is not the larger one's.
        series.Build(series.Sizes(quick: true).First()).Run();
        long before = PeakWorkingSet();
        ScalingWork work = series.Build(size);
        List<double> times = [];
        long begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            work.Run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        while (times.Count < LeastCalls ||
            (Stopwatch.GetElapsedTime(begin) < budget && times.Count < MostCalls));
        times.Sort();
        long after = PeakWorkingSet();
        return new(size, times[times.Count / 2], work.OperandBytes / MiB,
            before > 0 && after > 0 ? (after - before) / MiB : null);
    }

    private static string Ask(string[] words)
    {
        string host = Environment.ProcessPath!;
        bool shared = Path.GetFileNameWithoutExtension(host) == "dotnet";
        ProcessStartInfo start = new(host)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // The host of a framework-dependent build runs whatever assembly it is given.
        if (shared)
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Transformer.Cli.dll"));
        foreach (string word in words) start.ArgumentList.Add(word);
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string? line = process.StandardOutput.ReadLine();
        process.WaitForExit();
        return line?.StartsWith(Answer, StringComparison.Ordinal) == true
            ? line : throw new InvalidOperationException(
                $"the process that measures '{string.Join(' ', words)}' ended with code " +
                $"{process.ExitCode}: {errors.Result.Trim()}");
    }

    private static long PeakWorkingSet()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
