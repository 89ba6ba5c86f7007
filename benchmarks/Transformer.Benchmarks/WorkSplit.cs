using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>
/// How the vectorised kernels' work is cut up: each call of size base on one and on two threads in
/// turns, and on eight as the times of its batches allow, everything outside batches included.
/// </summary>
internal static class WorkSplit
{
    private const int Rounds = 9, ManyThreads = 8;
    private const double TurnSeconds = 0.02;
    private const string Command =
        "dotnet run -c Release --project benchmarks/Transformer.Benchmarks -- --work-split FILE";

    // As transformer bench has it: beyond every cache.
    private const long BeyondCaches = 256L << 20;

    /// <summary>Measures and writes <paramref name="file"/>.</summary>
    public static int Run(string file)
    {
        int threads = CpuParallel.ThreadCount;
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(2));
        (double oneCopy, double oneRead) = OneThread();
        List<Row> rows = [];
        foreach (BenchCase single in BenchCases.Select(BenchSize.Base))
        {
            if (Measure(single, limits) is not { } row) continue;
            rows.Add(row);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Op} {row.Direction} {row.Shape}: {row.OneMs:F3} ms, two threads " +
                $"{row.Two:F2}x, batches {row.Batches}, eight {row.Eight:F2}x"));
        }

        CpuParallel.ThreadCount = threads;
        Write(file, limits, oneCopy, oneRead, rows);
        return 0;
    }

    private static (double CopyGBs, double ReadGBs) OneThread()
    {
        CpuParallel.ThreadCount = 1;
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(1));
        return (limits.CopyGBs, limits.ReadGBs);
    }

    private static Row? Measure(BenchCase single, MachineLimits limits)
    {
        bool memory = single.Work.Bytes / (1e9 * limits.Bandwidth) >
            single.Work.Flops / (1e9 * limits.FmaPeakGflops);
        using BoundCase? bound =
            single.Bind(SimdBackend.Instance, memory ? BeyondCaches : 0, out _);
        if (bound is null) return null;
        CpuParallel.ThreadCount = 1;
        bound.Run();
        double estimate = Time(bound, 1);
        int calls = Math.Clamp((int)(TurnSeconds / estimate), 1, 1000);
        double[] one = new double[Rounds], ratios = new double[Rounds], eight = new double[Rounds];
        BatchTimes batches = new();
        for (int round = 0; round < Rounds; round++)
        {
            CpuParallel.ThreadCount = 1;
            one[round] = Time(bound, calls);
            CpuParallel.ThreadCount = 2;
            bound.Run(); // wakes the second thread
            ratios[round] = one[round] / Time(bound, calls);
            eight[round] = OfMany(bound, batches);
        }

        Array.Sort(one);
        Array.Sort(ratios);
        Array.Sort(eight);
        return new(single.Op, single.Direction.ToString(), single.Shape, memory,
            1e3 * one[Rounds / 2], ratios[Rounds / 2], ratios[Rounds / 4],
            ratios[Rounds - 1 - (Rounds / 4)], batches.Batches.DefaultIfEmpty(1).Max(),
            eight[Rounds / 2]);
    }

    private static double OfMany(BoundCase bound, BatchTimes batches)
    {
        batches.Clear();
        CpuParallel.Recorder = batches;
        double all = Time(bound, 1);
        CpuParallel.Recorder = null;
        double outside = all - batches.Seconds(1);
        return all / (outside + batches.Seconds(ManyThreads));
    }

    private static double Time(BoundCase bound, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int call = 0; call < calls; call++) bound.Run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    private static void Write(
        string file, MachineLimits limits, double oneCopy, double oneRead, List<Row> rows)
    {
        using FileStream stream = File.Create(file);
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("command", Command);
        json.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        BenchReport.WriteMachine(json, limits);
        json.WriteNumber("copyGBsOneThread", oneCopy);
        json.WriteNumber("readGBsOneThread", oneRead);
        json.WriteStartArray("rows");
        foreach (Row row in rows)
        {
            json.WriteStartObject();
            json.WriteString("op", row.Op);
            json.WriteString("direction", row.Direction);
            json.WriteString("shape", row.Shape);
            json.WriteBoolean("memoryBound", row.MemoryBound);
            json.WriteNumber("oneThreadMs", row.OneMs);
            json.WriteNumber("twoThreads", row.Two);
            json.WriteNumber("twoThreadsLowerQuartile", row.TwoLow);
            json.WriteNumber("twoThreadsUpperQuartile", row.TwoHigh);
            json.WriteNumber("batches", row.Batches);
            json.WriteNumber("eightThreadsByBatchTimes", row.Eight);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private sealed record Row(
        string Op, string Direction, string Shape, bool MemoryBound, double OneMs, double Two,
        double TwoLow, double TwoHigh, int Batches, double Eight);
}
