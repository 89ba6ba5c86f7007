using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Transformer.Cuda.Tests;

/// <summary>The scripts of benchmarks/gpu-suite, as far as they work without a GPU.</summary>
public sealed class GpuSuiteTests : IDisposable
{
    private readonly DirectoryInfo results = Directory.CreateTempSubdirectory("gpu-suite");

    public void Dispose() => results.Delete(recursive: true);

    [SkippableTheory]
    [InlineData("bash", "-n", "run.sh")]
    [InlineData("python3", "-m", "py_compile", "torch_peers.py", "report.py", "ptxas.py")]
    [InlineData("python3", "report.py", "--help")]
    public void Scripts_AreWellFormed(string program, params string[] arguments) =>
        Run(program, arguments);

    [SkippableFact]
    public void Run_AnswersAnUnknownOptionWithItsUsage()
    {
        (int exitCode, _, string error) = Start("bash", "run.sh", "--nonsense");
        Assert.Equal(2, exitCode);
        Assert.Contains("./run.sh [--quick] [--out FOLDER]", error, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Report_JoinsOurTimesWithTheFastestWayOfPyTorch()
    {
        const string Key = "\"op\":\"LayerNorm\",\"shape\":\"[8, 8]\",\"dtype\":\"Float32\"," +
            "\"direction\":\"Forward\"";
        Write("bench-base-cuda.json", $$"""
            {"rows":[{{{Key}},"backend":"cuda","ms":0.5,"gflops":1,"gbs":2,"unsupported":null}]}
            """);
        Write("torch.json", $$"""
            {"torch":"2.9","limits":{"copyGBs":4000.5},"rows":[
            {{{Key}},"way":"slow","ms":2.0},{{{Key}},"way":"fast","ms":1.0},
            {{{Key}},"way":"broken","ms":null}]}
            """);
        Write("verify-cuda.json", """
            {"rows":[{"passed":true,"unsupported":null},{"passed":false,"unsupported":null},
            {"passed":false,"unsupported":"no kernel"}]}
            """);
        Write("steps.tsv", "verify-cuda\t1\t3\ntorch\tleft out: no python3\t0\n");
        Write("compile-sources.log", """
            # source native/LayerNorm/layer_norm.cu sm_90a
            ptxas info    : Compiling entry function 'norm' for 'sm_90a'
                0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
            ptxas info    : Used 40 registers, used 1 barriers, 64 bytes smem, 436 bytes cmem[0]
            """);

        Run("python3", "report.py", "--results", results.FullName);

        using JsonDocument json = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(results.FullName, "results.json")));
        JsonElement speed = Assert.Single(json.RootElement.GetProperty("speed").EnumerateArray());
        Assert.Equal(2, speed.GetProperty("overTorch").GetDouble());
        Assert.Equal("fast", speed.GetProperty("torchWay").GetString());
        JsonElement kernel =
            Assert.Single(json.RootElement.GetProperty("resources").EnumerateArray());
        Assert.Equal(40, kernel.GetProperty("registers").GetInt32());
        Assert.Equal(8, kernel.GetProperty("spillLoadBytes").GetInt32());
        string text = File.ReadAllText(Path.Combine(results.FullName, "results.md"));
        Assert.Contains("| cuda | 1 | 1 | 1 |", text, StringComparison.Ordinal);
        Assert.Contains("| torch | left out: no python3 | 0 |", text, StringComparison.Ordinal);
        Assert.Contains("| LayerNorm | [8, 8] | Float32 | Forward | cuda | 0.500 | 1 | 2 | 1.000 " +
            "| fast | 2.00 |", text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Report_NamesTheGpuBackendsThatAreAvailable()
    {
        Write("devices.json", """
            {"backends":[{"name":"simd","available":true},{"name":"cuda","available":true},
            {"name":"ilgpu-cuda","available":false}]}
            """);
        string output = Run(
            "python3", "report.py", "--backends", Path.Combine(results.FullName, "devices.json"));
        Assert.Equal("cuda", output.Trim());
    }

    [SkippableFact]
    public void Run_WithoutPythonSaysWhichBackendItLeavesOut()
    {
        Write("run", """
            set -e
            cp run.sh "$1"; cd "$1"
            mkdir bin transformer
            for tool in awk bash date dirname mkdir rm sed tail uname; do
              ln -s "$(command -v $tool)" bin/$tool
            done
            ln -s "$(type -P true)" transformer/Transformer.Cli
            PATH=$PWD/bin bash run.sh --out out
            """.ReplaceLineEndings("\n"));

        string output =
            Run("bash", Path.Combine(results.FullName, "run"), results.FullName);

        const string reason = "no python3 to read which backends devices.json has";
        Assert.Contains($"== ilgpu-cuda: left out, {reason}", output, StringComparison.Ordinal);
        string steps = File.ReadAllText(Path.Combine(results.FullName, "out", "steps.tsv"));
        Assert.Contains($"ilgpu-cuda\tleft out: {reason}\t0", steps, StringComparison.Ordinal);
        Assert.Contains("bench-large-cuda\t0\t", steps, StringComparison.Ordinal);
    }

    // The stand-in says as many registers as the file's architecture and the device's add up to.
    [SkippableFact]
    public void Table_HasWhatEachDeviceTakes()
    {
        Write("ptxas", """
            #!/bin/sh
            [ "$1" != --version ] || { echo "Cuda compilation tools, release 12.4"; exit; }
            for file; do :; done
            file=${file%.ptx} own=${file##*sm_} device=${2#-arch=sm_}
            echo "ptxas info    : Compiling entry function 'norm' for 'sm_$device'" >&2
            echo "    0 bytes stack frame, 4 bytes spill stores, ${own%a} bytes spill loads" >&2
            echo "ptxas info    : Used $((${own%a} + ${device%a})) registers, 400 bytes cmem[0]" >&2
            """.ReplaceLineEndings("\n"));
        string ptxas = Path.Combine(results.FullName, "ptxas");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(ptxas, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string[] files = [.. new[] { "norm.sm_75.ptx", "norm.sm_80.ptx", "add.sm_75.ptx",
            "add.sm_90a.ptx" }.Select(f => Path.Combine(results.FullName, f))];
        string table = Path.Combine(results.FullName, "table.md");

        Run("python3", ["ptxas.py", "--ptxas", ptxas, "--out", table, .. files]);

        string text = File.ReadAllText(table);
        Assert.Contains("ptxas of CUDA 12.4", text, StringComparison.Ordinal);
        int add = text.IndexOf("## add", StringComparison.Ordinal);
        int norm = text.IndexOf("## norm", StringComparison.Ordinal);
        Assert.Contains("| norm | 150 + 79 B | 155 + 79 B | 180 + 94 B |", text[add..norm],
            StringComparison.Ordinal);
        Assert.Contains("| norm | 150 + 79 B | 160 + 84 B | 170 + 84 B |", text[norm..],
            StringComparison.Ordinal);
    }

    private void Write(string name, string text) =>
        File.WriteAllText(Path.Combine(results.FullName, name), text);

    private static string Run(string program, params string[] arguments)
    {
        (int exitCode, string output, string error) = Start(program, arguments);
        Assert.True(exitCode == 0, output + error);
        return output;
    }

    private static (int ExitCode, string Output, string Error) Start(
        string program, params string[] arguments)
    {
        ProcessStartInfo info = new(program, arguments)
        {
            WorkingDirectory =
                Path.GetFullPath(Path.Combine(ThisFile(), "../../../benchmarks/gpu-suite")),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment["PYTHONPYCACHEPREFIX"] = Path.GetTempPath();
        try
        {
            using Process process = Process.Start(info)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            process.WaitForExit();
            return (process.ExitCode, output.Result, error.Result);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Skip.If(true, $"there is no {program}");
            throw;
        }
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
