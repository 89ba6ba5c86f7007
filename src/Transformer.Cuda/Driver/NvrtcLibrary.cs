using System.Runtime.InteropServices;

namespace Transformer.Cuda.Driver;

/// <summary>Finds and loads NVRTC, once a process: it is part of CUDA toolkits, not of drivers.
/// </summary>
internal static class NvrtcLibrary
{
    /// <summary>Names a file to load instead of those that are looked for.</summary>
    public const string Variable = "TRANSFORMER_NVRTC";

    private static readonly Lock Gate = new();
    private static string? reason;

    /// <summary>The loaded library, or 0.</summary>
    public static nint Handle { get; private set; }

    /// <summary>Loads the library unless it is loaded.</summary>
    /// <returns>Null, or where it was looked for in vain.</returns>
    public static string? Load()
    {
        DriverLibrary.Load(); // which also answers for imports of this library
        lock (Gate)
        {
            if (Handle != 0 || reason is not null) return reason;
            foreach (string name in Names())
            {
                if (!NativeLibrary.TryLoad(name, out nint library) ||
                    !NativeLibrary.TryGetExport(library, "nvrtcCompileProgram", out _)) continue;
                Handle = library;
                return null;
            }

            return reason = $"none of {string.Join(", ", Names())} can be loaded";
        }
    }

    private static string[] Names()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named) return [named];
        return OperatingSystem.IsWindows()
            ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
            : ["libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so"];
    }
}
