using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Tests;

/// <summary>Makes the emulation the process's CUDA driver before anything asks for one.</summary>
/// <remarks>As a collection: its tests use the device one after the other, because one that makes
/// a kernel fault breaks it for all until it has mended it.</remarks>
[CollectionDefinition(nameof(EmulatedDevice))]
public sealed partial class EmulatedDevice
{
    public const string Absent =
        "no C++ compiler was found when the tests were built, so there is no emulated device";

    public static string Library =>
        Path.Combine(AppContext.BaseDirectory, "libcuda_emulated.so");

    public static bool IsPresent => File.Exists(Library);

    /// <summary>The backend; skips the test where it cannot be built.</summary>
    public static CudaBackend Require()
    {
        Skip.IfNot(IsPresent, Absent);
        Assert.Null(CudaBackend.Instance.UnavailableReason);
        return CudaBackend.Instance;
    }

    [ModuleInitializer]
    internal static void Choose()
    {
        bool child = Environment.GetEnvironmentVariable(ChildProgram.Variable) is not null;
        if (child || !IsPresent) return;
        Environment.SetEnvironmentVariable(DriverLibrary.Variable, Library);
        // The runtime's copy of the environment is not the one that C code reads.
        _ = SetVariable("TRANSFORMER_EMULATION_DEVICES", "2", overwrite: 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
