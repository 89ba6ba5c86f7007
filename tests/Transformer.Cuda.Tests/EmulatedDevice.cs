using System.Runtime.CompilerServices;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda.Tests;

/// <summary>Makes the emulation the process's CUDA driver before anything asks for one.</summary>
internal static class EmulatedDevice
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
        if (IsPresent) Environment.SetEnvironmentVariable(DriverLibrary.Variable, Library);
    }
}
