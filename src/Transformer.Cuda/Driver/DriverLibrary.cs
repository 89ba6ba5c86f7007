using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Transformer.Cuda.Driver;

/// <summary>Finds and loads the CUDA driver, once a process.</summary>
internal static class DriverLibrary
{
    /// <summary>Names a file to load in place of the system's driver: the host emulation.
    /// </summary>
    public const string Variable = "TRANSFORMER_CUDA_DRIVER";

    private static readonly Lock Gate = new();
    private static nint handle;
    private static string? reason;

    /// <summary>True when the library that was loaded is the host emulation.</summary>
    public static bool IsEmulation { get; private set; }

    /// <summary>Loads the driver unless it is loaded.</summary>
    /// <returns>Null, or why there is none and where it was looked for.</returns>
    public static string? Load()
    {
        lock (Gate)
        {
            if (handle != 0 || reason is not null) return reason;
            NativeLibrary.SetDllImportResolver(typeof(DriverLibrary).Assembly, Resolve);
            List<string> tried = [];
            foreach (string name in Names())
            {
                if (!NativeLibrary.TryLoad(name, out nint library))
                {
                    tried.Add($"{name} cannot be loaded");
                }
                else if (!NativeLibrary.TryGetExport(library, "cuInit", out _))
                {
                    tried.Add($"{name} is no CUDA driver");
                }
                else
                {
                    IsEmulation = NativeLibrary.TryGetExport(
                        library, "transformer_emulation_version", out _);
                    handle = library;
                    return null;
                }
            }

            return reason = $"no CUDA driver: {string.Join(", ", tried)}. Install NVIDIA's " +
                $"driver, or name its library in {Variable}";
        }
    }

    /// <summary>"12.4" of the driver's 12040.</summary>
    public static string Text(int version) => string.Create(
        CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");

    private static string[] Names()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named) return [named];
        if (OperatingSystem.IsWindows()) return ["nvcuda.dll"];
        // The second is where WSL keeps it, which is not always on the loader's path.
        return ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"];
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        name == DriverApi.Library ? handle : name == NvrtcApi.Library ? NvrtcLibrary.Handle : 0;
}
