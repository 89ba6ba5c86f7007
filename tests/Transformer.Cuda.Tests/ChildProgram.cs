using System.Diagnostics;
using System.Globalization;
using System.Text;
using Transformer.Cli;
using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests;

/// <summary>A process with a CUDA driver of its own, or one that will not live.</summary>
internal static class ChildProgram
{
    /// <summary>Set in the process, which is to take its environment as it is.</summary>
    public const string Variable = "TRANSFORMER_CUDA_TESTS_CHILD";

    private const string TouchDeviceMemory = "touch-device-memory";
    private const string CompileSources = "compile-sources";

    /// <summary>Runs the command line with variables of the environment; null unsets one.</summary>
    public static (int ExitCode, string Output, string Error) Run(
        (string Name, string? Value)[] environment, params string[] arguments)
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
        info.ArgumentList.Add(typeof(ChildProgram).Assembly.Location);
        foreach (string argument in arguments) info.ArgumentList.Add(argument);
        info.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        info.Environment[Variable] = "1";
        info.Environment.Remove("TRANSFORMER_EMULATION_DEVICES");
        info.Environment.Remove("TRANSFORMER_EMULATION_LAST_CAPABILITY");
        foreach ((string name, string? value) in environment)
        {
            if (value is null) info.Environment.Remove(name);
            else info.Environment[name] = value;
        }

        using Process process = Process.Start(info)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.WaitForExit();
        return (process.ExitCode, output.Result, error.Result);
    }

    /// <summary>As <see cref="Run"/>, for what a host does to device memory.</summary>
    public static (int ExitCode, string Output, string Error) Touch() =>
        Run([("TRANSFORMER_CUDA_DRIVER", EmulatedDevice.Library)], TouchDeviceMemory);

    /// <summary>Compiles every source by the NVRTC that is found, or tells that there is none.
    /// </summary>
    /// <param name="folder">native/.</param>
    /// <param name="computeCapability">Of the device that they are for.</param>
    public static (int ExitCode, string Output, string Error) Compile(
        string folder, string computeCapability) =>
        Run([(NvrtcLibrary.Variable, null)], CompileSources, folder, computeCapability);

    /// <summary>The text of every source and header of native/ by its name.</summary>
    public static Dictionary<string, string> Sources(string folder) => Directory
        .EnumerateFiles(folder, "*.cu*", SearchOption.AllDirectories)
        .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}Testing"))
        .ToDictionary(f => Path.GetFileName(f), File.ReadAllText);

    internal static int Main(string[] arguments)
    {
        if (arguments is [CompileSources, string native, string capability])
            return CompileAll(native, int.Parse(capability, CultureInfo.InvariantCulture));
        if (arguments is not [TouchDeviceMemory])
            return Application.Run(arguments, Console.Out, Console.Error);
        using Tensor tensor = new(new(100), DType.Float32, CudaBackend.Instance.Memory);
        CudaBackend.Instance.Synchronize();
        Console.WriteLine(tensor.View.AsSpan<float>()[25]);
        return 0;
    }

    private static int CompileAll(string native, int computeCapability)
    {
        Dictionary<string, string> sources = Sources(native);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("kernels");
        try
        {
            KernelCompiler compiler = new(folder.FullName);
            foreach (string file in sources.Keys.Where(
                f => f.EndsWith(".cu", StringComparison.Ordinal)))
            {
                byte[] ptx = compiler.Compile(Path.GetFileNameWithoutExtension(file),
                    KernelSources.Join(file, sources.GetValueOrDefault)!, computeCapability);
                int kernels = Encoding.ASCII.GetString(ptx).Split(".entry").Length - 1;
                Console.WriteLine($"{file}: {kernels}");
            }

            return 0;
        }
        catch (NotSupportedException refused)
        {
            Console.Error.WriteLine(refused.Message);
            return 2;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
