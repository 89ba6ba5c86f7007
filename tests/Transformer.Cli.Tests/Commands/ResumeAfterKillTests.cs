using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Transformer.Cli.Tests.Commands;

/// <summary>A training that is killed or interrupted and resumed ends as if it had not been.
/// </summary>
public sealed partial class ResumeAfterKillTests : IDisposable
{
    private const int Interrupt = 2, Terminate = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder files = new();
    private readonly string text;

    public ResumeAfterKillTests() =>
        text = files.Text("text", [.. Enumerable.Range(0, 40).Select(Sentence)]);

    public void Dispose() => files.Dispose();

    [Fact]
    public void Killed_ThenResumed_GivesTheSameBytes()
    {
        CommandLine.Run(Arguments("whole")).Succeeded();
        using (Process process = Start(Arguments("broken")))
        {
            WaitForCheckpoint(process, "broken");
            process.Kill();
            process.WaitForExit();
            Assert.NotEqual(0, process.ExitCode);
        }

        CommandResult resumed = CommandLine.Run(
            "train", "seq2seq", "--out", files["broken"], "--resume").Succeeded();
        Assert.Contains("resumed from", resumed.Output, StringComparison.Ordinal);
        AssertSameModel();
    }

    [SkippableFact]
    public void Interrupted_SavesAndExitsWith130_ThenResumes()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows sends no interrupt to another process.");
        CommandLine.Run(Arguments("whole")).Succeeded();
        using (Process process = Start(Arguments("broken")))
        {
            WaitForCheckpoint(process, "broken");
            Assert.Equal(0, Kill(process.Id, Signal(process)));
            Assert.True(process.WaitForExit(Patience));
            Assert.Equal(Application.Interrupted, process.ExitCode);
        }

        CommandLine.Run("train", "seq2seq", "--out", files["broken"], "--resume").Succeeded();
        AssertSameModel();
    }

    /// <summary>The one of Ctrl-C; where whoever runs the tests has it ignored, as shells do for
    /// jobs in the background, the one that asks a process to end, which means the same.</summary>
    private static int Signal(Process process)
    {
        string status = $"/proc/{process.Id}/status";
        if (!File.Exists(status)) return Interrupt;
        string ignored = File.ReadLines(status).First(line => line.StartsWith("SigIgn:"))[7..];
        ulong mask = Convert.ToUInt64(ignored.Trim(), 16);
        return ((mask >> (Interrupt - 1)) & 1) == 0 ? Interrupt : Terminate;
    }

    private void AssertSameModel()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(files["whole"], "model.safetensors"));
        byte[] broken = File.ReadAllBytes(Path.Combine(files["broken"], "model.safetensors"));
        Assert.True(whole.AsSpan().SequenceEqual(broken), "the weights differ");
    }

    private string[] Arguments(string folder) =>
    [
        "train", "seq2seq", "--source", text, "--target", text, "--valid-source", text,
        "--valid-target", text, "--out", files[folder], "--layers", "1", "--width", "16",
        "--heads", "2", "--dropout", "0.2", "--tokens-per-batch", "64", "--accumulate", "2",
        "--steps", "400", "--checkpoint-every", "20", "--validate-every", "50", "--seed", "3",
    ];

    private static string Sentence(int number) => string.Join(' ',
        Enumerable.Range(0, 3 + (number % 5)).Select(i => "abcdefgh"[(number + (i * i)) % 8]));

    private static Process Start(string[] arguments)
    {
        string host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        string program = Path.Combine(AppContext.BaseDirectory, "Transformer.Cli.dll");
        ProcessStartInfo start = new(host)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    /// <summary>Returns as soon as there is a checkpoint, long before the last step.</summary>
    private void WaitForCheckpoint(Process process, string folder)
    {
        string first = Path.Combine(
            files[folder], "checkpoints", "checkpoint-00000020.safetensors");
        Stopwatch watch = Stopwatch.StartNew();
        while (!File.Exists(first))
        {
            Assert.False(process.HasExited, "training ended before its first checkpoint");
            Assert.True(watch.Elapsed < Patience, "no checkpoint appeared");
            Thread.Sleep(1);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int process, int signal);
}
