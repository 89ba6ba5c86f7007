using System.Diagnostics;
using System.Globalization;
using System.IO.MemoryMappedFiles;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>How a process of random calls ended.</summary>
/// <param name="Finding">What went wrong and at which set; null where nothing did.</param>
/// <param name="Accepted">Sets that ran.</param>
internal sealed record FuzzOutcome(string? Finding, long Accepted);

/// <summary>Starts the process of random calls and watches it.</summary>
internal static class FuzzProcess
{
    public static FuzzOutcome Run(
        ulong seed, long first, long count, TimeSpan patience, string mistake = "", long at = -1)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[sizeof(long)]);
            using MemoryMappedFile file = MemoryMappedFile.CreateFromFile(path);
            using MemoryMappedViewAccessor progress = file.CreateViewAccessor();
            using Process process = Start([path, Text((long)seed), Text(first), Text(count),
                .. mistake.Length > 0 ? (string[])[mistake, Text(at)] : []]);
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            bool ended = Watch(process, progress, patience);
            long set = progress.ReadInt64(0);
            string text = output.Result.Trim();
            return !ended ? new($"does not end: {FuzzRun.Describe(seed, set)}", 0)
                : process.ExitCode == 0 ? new(null, long.Parse(text, CultureInfo.InvariantCulture))
                : process.ExitCode == 1 ? new(text, 0)
                : new($"ended the process with code {process.ExitCode}: " +
                    $"{FuzzRun.Describe(seed, set)}\n{errors.Result}", 0);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>False where it was ended for staying at one set for too long.</summary>
    private static bool Watch(
        Process process, MemoryMappedViewAccessor progress, TimeSpan patience)
    {
        long last = -1;
        Stopwatch since = Stopwatch.StartNew();
        while (!process.WaitForExit(50))
        {
            long set = progress.ReadInt64(0);
            if (set != last)
            {
                last = set;
                since.Restart();
            }
            else if (since.Elapsed > patience)
            {
                process.Kill(entireProcessTree: true);
                process.WaitForExit();
                return false;
            }
        }

        return true;
    }

    private static Process Start(string[] arguments)
    {
        string? own = Environment.ProcessPath;
        bool isHost = Path.GetFileNameWithoutExtension(own) == "dotnet";
        ProcessStartInfo info = new(isHost ? own!
            : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.ArgumentList.Add("exec");
        info.ArgumentList.Add(typeof(FuzzProgram).Assembly.Location);
        foreach (string argument in arguments) info.ArgumentList.Add(argument);
        // A crash is expected to say where, not to leave a dump.
        info.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        return Process.Start(info)!;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
