using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Tests;

/// <summary>Makes the emulation the process's CUDA driver before anything asks for one.</summary>
/// <remarks>It has four devices: one for tests that only compute, one for those that break it and
/// mend it, one for those that count its memory, all of compute capability 9.0; and one of 8.0.
/// </remarks>
internal static partial class EmulatedDevice
{
    public const string Absent =
        "no C++ compiler was found when the tests were built, so there is no emulated device";

    public static string Library =>
        Path.Combine(AppContext.BaseDirectory, "libcuda_emulated.so");

    public static bool IsPresent => File.Exists(Library);

    /// <summary>The backend; skips the test where it cannot be built.</summary>
    public static CudaBackend Require(int ordinal = 0)
    {
        Skip.IfNot(IsPresent, Absent);
        CudaBackend backend = CudaBackend.OnDevice(ordinal);
        Assert.Null(backend.UnavailableReason);
        return backend;
    }

    /// <summary>The one that most tests use, of compute capability 9.0.</summary>
    public const int Hopper = 0;

    /// <summary>The one that tests may break: those of the collection of this name.</summary>
    public const int Breakable = 1;

    /// <summary>The one whose memory is counted.</summary>
    public const int Counted = 2;

    /// <summary>The one of compute capability 8.0.</summary>
    public const int Ampere = 3;

    [ModuleInitializer]
    internal static void Choose()
    {
        bool child = Environment.GetEnvironmentVariable(ChildProgram.Variable) is not null;
        if (child || !IsPresent) return;
        Environment.SetEnvironmentVariable(DriverLibrary.Variable, Library);
        // The runtime's copy of the environment is not the one that C code reads.
        _ = SetVariable("TRANSFORMER_EMULATION_DEVICES", "4", overwrite: 1);
        _ = SetVariable("TRANSFORMER_EMULATION_LAST_CAPABILITY", "80", overwrite: 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
