using System.Text.Json;

namespace Transformer.Cuda.Tests;

/// <summary>No driver, no device, an old driver, too little memory: a reason in <c>devices</c> and
/// one line of error, never a crash.</summary>
public sealed class DriverErrorTests
{
    private const string Driver = "TRANSFORMER_CUDA_DRIVER";

    [Fact]
    public void NoDriver_IsSaidWithTheNamesThatWereTried()
    {
        string missing = Path.Combine(AppContext.BaseDirectory, "no-such-driver.so");

        Assert.Equal(
            $"no CUDA driver: {missing} cannot be loaded. Install NVIDIA's driver, or name its " +
            "library in TRANSFORMER_CUDA_DRIVER", Reason("cuda", (Driver, missing)));
    }

    [SkippableFact]
    public void NoVariable_LooksForNvidiasDriver()
    {
        Skip.If(File.Exists("/dev/nvidiactl"), "this machine has NVIDIA's driver");
        string reason = Reason("cuda", (Driver, null))!;

        Assert.Contains(OperatingSystem.IsWindows()
            ? "nvcuda.dll cannot be loaded"
            : "libcuda.so.1 cannot be loaded, /usr/lib/wsl/lib/libcuda.so.1 cannot be loaded",
            reason, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void LibraryThatIsNoDriver_IsSaid()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "names a library of Linux");
        Assert.Contains("libc.so.6 is no CUDA driver", Reason("cuda", (Driver, "libc.so.6")),
            StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("DEVICES", "0", "cuInit gave CUDA_ERROR_NO_DEVICE (100: no CUDA-capable device")]
    [InlineData("INIT", "3", "cuInit gave CUDA_ERROR_NOT_INITIALIZED (3")]
    [InlineData("VERSION", "10020", "one for CUDA 10.2; 11.4 or later is needed. Update")]
    public void DriverThatCannotServe_IsSaid(string variable, string value, string told)
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);

        Assert.Contains(told, Reason("cuda-emulated", (Driver, EmulatedDevice.Library),
            ($"TRANSFORMER_EMULATION_{variable}", value)), StringComparison.Ordinal);
    }

    [Fact]
    public void BackendThatIsAbsent_GivesOneLineAndExitCode2()
    {
        (int exitCode, _, string error) = ChildProgram.Run(
            [(Driver, "no-such-driver.so")], "evaluate", "--model", "m", "--source", "s",
            "--target", "t", "--backend", "cuda");

        Assert.Equal(2, exitCode);
        Assert.StartsWith("error: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [SkippableFact]
    public void TooLittleMemory_GivesOneLineAndExitCode2()
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);
        (int exitCode, _, string error) = ChildProgram.Run(
            [(Driver, EmulatedDevice.Library), ("TRANSFORMER_EMULATION_MEMORY", "3000")],
            "verify", "--op", "LayerNorm", "--backend", "cuda-emulated", "--quick");

        Assert.Equal(2, exitCode);
        string line = Assert.Single(error.TrimEnd().Split('\n'));
        Assert.Matches(
            @"^error: CUDA: cuMemAllocAsync \(\d+ bytes\) gave CUDA_ERROR_OUT_OF_MEMORY \(2: out " +
            @"of memory\) on device 0 'CUDA emulation on the CPU'\. Use a smaller batch", line);
    }

    [SkippableFact]
    public void Verify_RunsOnTheEmulatedDevice()
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);
        (int exitCode, string output, string error) = ChildProgram.Run(
            [(Driver, EmulatedDevice.Library)],
            "verify", "--op", "LayerNorm", "--backend", "cuda-emulated", "--quick");

        Assert.True(exitCode == 0, output + error);
        Assert.Matches(@"[1-9]\d* passed, 0 failed", output);
    }

    // Blocks have 64 KiB of shared memory on 7.5, and no bf16 tiles; 99 KiB on 8.6.
    [SkippableTheory]
    [InlineData("75", "FusedAttention", "Linear")]
    [InlineData("86", "Linear", "TopK")]
    public void Verify_RunsOnLesserDevices(string computeCapability, params string[] ops)
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);
        foreach (string op in ops)
        {
            (int exitCode, string output, string error) = ChildProgram.Run(
                [(Driver, EmulatedDevice.Library),
                    ("TRANSFORMER_EMULATION_CAPABILITY", computeCapability)],
                "verify", "--op", op, "--backend", "cuda-emulated", "--quick");

            Assert.True(exitCode == 0, output + error);
            Assert.Matches(@"[1-9]\d* passed, 0 failed", output);
        }
    }

    [SkippableFact]
    public void HostThatReadsDeviceMemory_IsTold()
    {
        Skip.IfNot(EmulatedDevice.IsPresent, EmulatedDevice.Absent);
        (int exitCode, string output, string error) = ChildProgram.Touch();

        Assert.NotEqual(0, exitCode);
        Assert.Empty(output);
        Assert.Contains("CUDA emulation: the host touched byte 100 of an allocation of 400 bytes " +
            "of device memory", error, StringComparison.Ordinal);
    }

    private static string? Reason(
        string backend, params (string Name, string? Value)[] environment)
    {
        (int exitCode, string output, string error) =
            ChildProgram.Run(environment, "devices", "--json", "-");
        Assert.True(exitCode == 0, error);
        using JsonDocument document = JsonDocument.Parse(output);
        JsonElement row = document.RootElement.GetProperty("backends").EnumerateArray()
            .Single(b => b.GetProperty("name").GetString() == backend);
        Assert.False(row.GetProperty("available").GetBoolean());
        // What cannot run is listed with what it could do.
        Assert.NotEqual(0, row.GetProperty("kernels").GetArrayLength());
        return row.GetProperty("reason").GetString();
    }
}
