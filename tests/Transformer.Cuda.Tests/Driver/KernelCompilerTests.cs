using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Tests.Driver;

/// <summary>Sources that are compiled where they run. NVRTC is the emulation's, which tells what
/// was asked of it, except where NVIDIA's is sought.</summary>
public sealed partial class KernelCompilerTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("kernels");

    public KernelCompilerTests()
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);
        Environment.SetEnvironmentVariable(NvrtcLibrary.Variable, EmulatedDevice.Library);
    }

    public void Dispose() => folder.Delete(recursive: true);

    [SkippableTheory]
    [InlineData(75, "compute_75")]
    [InlineData(87, "compute_86")]
    [InlineData(90, "compute_90a")]
    [InlineData(120, "compute_100")]
    public void Compile_TakesTheNewestArchitectureOfTheDevice(int capability, string target)
    {
        string ptx = Text(new KernelCompiler(folder.FullName).Compile("add", "text", capability));
        Assert.StartsWith($"// add.cu --gpu-architecture={target} --std=c++17 " +
            "--device-as-default-execution-space", ptx,
            StringComparison.Ordinal);
        Assert.EndsWith(".version 8.4\n", ptx, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Compile_KeepsWhatItMade()
    {
        KernelCompiler compiler = new(Path.Combine(folder.FullName, "new", "folder"));
        int before = transformer_emulation_compiled();
        byte[] first = compiler.Compile("add", "text", 80);
        Assert.Equal(first, compiler.Compile("add", "text", 80));
        Assert.Equal(before + 1, transformer_emulation_compiled());
        compiler.Compile("add", "other text", 80);
        compiler.Compile("add", "text", 90);
        Assert.Equal(before + 3, transformer_emulation_compiled());
        string[] files = [.. folder.GetFiles("*", SearchOption.AllDirectories).Select(f => f.Name)];
        Assert.Equal(3, files.Length);
        Assert.All(files, name => Assert.Matches(@"^add\.compute_(80|90a)\.[0-9a-f]{32}\.ptx$",
            name));
    }

    [SkippableFact]
    public void Compile_WorksWithoutAFolderItCanWrite()
    {
        string file = Path.Combine(folder.FullName, "file");
        File.WriteAllText(file, "");
        Assert.NotEmpty(new KernelCompiler(file).Compile("add", "text", 80));
    }

    [SkippableFact]
    public void Compile_TellsWhatTheCompilerSaid()
    {
        NotSupportedException refused = Assert.Throws<NotSupportedException>(
            () => new KernelCompiler(folder.FullName).Compile("add", "#error no", 80));
        Assert.Equal("CUDA: NVRTC cannot compile 'add': NVRTC_ERROR_COMPILATION (6): add.cu(1): " +
            "error: #error directive. Build the library where clang 16 or nvcc is found.",
            refused.Message);
        Assert.Empty(folder.GetFiles());
    }

    [Fact]
    public void Join_PutsEveryFileInOnce()
    {
        Dictionary<string, string> files = new()
        {
            ["a.cu"] = "#include \"../include/b.cuh\"\n#include \"../include/c.cuh\"\na",
            ["b.cuh"] = "#pragma once\n#include \"c.cuh\"\nb",
            ["c.cuh"] = "#pragma once\n#include \"../emulation/device.h\"\nc",
        };
        string joined = KernelSources.Join("a.cu", files.GetValueOrDefault)!;
        Assert.Equal("#include \"../emulation/device.h\"|c|b|a",
            string.Join('|', joined.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Null(KernelSources.Join("d.cu", files.GetValueOrDefault));
    }

    // Only what a host compiler alone sees may be left to be included.
    [Fact]
    public void Join_LeavesNoHeaderOfOursOut()
    {
        Dictionary<string, string> files = ChildProgram.Sources(Native());
        string[] kernels = [.. files.Keys.Where(f => f.EndsWith(".cu", StringComparison.Ordinal))];
        Assert.NotEmpty(kernels);
        foreach (string kernel in kernels)
        {
            string joined = KernelSources.Join(kernel, files.GetValueOrDefault)!;
            Assert.All(joined.Split('\n').Where(l => l.StartsWith("#include")),
                line => Assert.Equal("#include \"../emulation/device.h\"", line));
        }
    }

    // On a machine with NVIDIA's NVRTC every source is compiled by it.
    [Theory]
    [InlineData("75")]
    [InlineData("90")]
    public void EverySource_IsTakenByNvrtc_OrItsAbsenceIsTold(string computeCapability)
    {
        (int exitCode, string output, string error) =
            ChildProgram.Compile(Native(), computeCapability);
        if (exitCode == 2)
        {
            Assert.Matches(@"^CUDA: '\w+' must be compiled by NVRTC, and none of .*nvrtc.* can " +
                @"be loaded\. Install a CUDA toolkit, or name its library in TRANSFORMER_NVRTC\.$",
                error.Trim());
            return;
        }

        Assert.True(exitCode == 0, error);
        Assert.Equal(
            Directory.GetFiles(Native(), "*.cu", SearchOption.AllDirectories)
                .Count(f => !f.Contains("Testing")),
            output.TrimEnd().Split('\n').Count(l => !l.EndsWith(": 0", StringComparison.Ordinal)));
    }

    // Compilers that are told to stay away leave the sources, whatever an earlier build left.
    [Fact]
    public void WithoutCompilers_TheAssemblyCarriesTheSources()
    {
        ProcessStartInfo info = new("dotnet", ["msbuild", "-nologo", "-t:EmbedKernels",
            "-p:Clang=none", "-p:Nvcc=none", "-getItem:EmbeddedResource",
            Path.Combine(Native(), "../src/Transformer.Cuda/Transformer.Cuda.csproj")])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(info)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output);
        using JsonDocument items = JsonDocument.Parse(output[output.IndexOf('{')..]);
        string[] names = [.. items.RootElement.GetProperty("Items")
            .GetProperty("EmbeddedResource").EnumerateArray()
            .Select(item => item.GetProperty("LogicalName").GetString()!).Order()];
        Assert.Equal(
            ChildProgram.Sources(Native()).Keys.Select(name => $"source/{name}").Order(), names);
    }

    // A device takes the newest PTX that it runs and its driver reads; 'a' is for one device alone.
    [Theory]
    [InlineData(75, "norm.sm_75.ptx")]
    [InlineData(79, "norm.sm_75.ptx")]
    [InlineData(86, "norm.sm_80.ptx")]
    [InlineData(90, "norm.sm_90a.ptx")]
    [InlineData(90, "norm.sm_80.ptx", "norm.sm_90a.ptx")]
    [InlineData(120, "norm.sm_80.ptx")]
    [InlineData(70, null)]
    public void Choose_TakesTheNewestThatRuns(
        int computeCapability, string? expected, params string[] unreadable)
    {
        string[] resources = ["norm.sm_75.ptx", "norm.sm_90a.ptx", "norm.sm_80.ptx",
            "norm_backward.sm_90.ptx", "source/norm.cu"];
        Assert.Equal(expected, KernelLibrary.Choose(
            resources, "norm", computeCapability, r => !unreadable.Contains(r)));
    }

    [Theory]
    [InlineData(11040, 74)]
    [InlineData(11080, 78)]
    [InlineData(12050, 85)]
    [InlineData(12060, 85)]
    [InlineData(12080, 87)]
    [InlineData(13000, 90)]
    public void NewestPtx_FollowsTheReleaseNotes(int driver, int ptx) =>
        Assert.Equal(ptx, KernelLibrary.NewestPtx(driver));

    private static string Text(byte[] ptx) => Encoding.ASCII.GetString(ptx);

    [LibraryImport("libcuda_emulated.so")]
    private static partial int transformer_emulation_compiled();

    private static string Native() =>
        Path.GetFullPath(Path.Combine(ThisFile(), "../../../../native"));

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
