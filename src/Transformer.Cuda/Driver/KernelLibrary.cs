using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>The kernels that this assembly carries, for one device.</summary>
/// <remarks>Compiled ones are resources named FILE.sm_NN.ptx. A device takes the highest NN that it
/// reaches and its driver can read; one that ends in 'a' runs on exactly that device. Where there
/// is none, the sources are compiled by NVRTC when a kernel is first used.</remarks>
internal sealed class KernelLibrary(CudaDevice device)
{
    private static readonly Assembly Own = typeof(KernelLibrary).Assembly;

    private readonly ConcurrentDictionary<string, CudaModule> modules = new();

    /// <summary>Null, or why no kernel can run on the device.</summary>
    public string? UnavailableReason
    {
        get
        {
            if (DriverLibrary.IsEmulation) return null;
            string[] compiled = [.. Own.GetManifestResourceNames().Where(IsPtx)];
            if (compiled.Any(Fits)) return null;
            if (KernelSources.Any)
            {
                return NvrtcLibrary.Load() is not { } absent ? null
                    : "the library was built without compiled kernels, and NVRTC, which would " +
                        $"compile them here, is missing: {absent}. Install a CUDA toolkit, or " +
                        "build the library where clang 16 or nvcc is found";
            }

            return device.ComputeCapability < 75
                ? $"{device.Description} has compute capability {device.ComputeCapability / 10}." +
                    $"{device.ComputeCapability % 10}; the kernels need 7.5 or more"
                : "the driver is too old for the compiled kernels. Update NVIDIA's driver";
        }
    }

    /// <summary>The kernels of one file of native/.</summary>
    public CudaModule Module(string file) => modules.GetOrAdd(file, Open);

    /// <summary>The newest PTX that a driver reads, ten times its version.</summary>
    /// <remarks>PTX ISA, release notes: 12.6 brought none of its own.</remarks>
    internal static int NewestPtx(int driver)
    {
        int minor = driver % 1000 / 10;
        return (driver / 1000) switch
        {
            < 11 => 65,
            11 => 70 + Math.Min(8, minor),
            12 => 80 + (minor > 5 ? minor - 1 : minor),
            _ => 90 + (10 * ((driver / 1000) - 13)) + minor,
        };
    }

    /// <summary>The compiled file that a device takes: of those that it can run, the one for the
    /// newest architecture; null where there is none.</summary>
    /// <param name="resources">Names FILE.sm_NN.ptx, and others.</param>
    /// <param name="file">FILE.</param>
    /// <param name="computeCapability">The device's.</param>
    /// <param name="readable">False for PTX that the driver cannot read.</param>
    internal static string? Choose(IEnumerable<string> resources, string file,
        int computeCapability, Func<string, bool> readable) => resources
        .Where(r => IsPtx(r) && r.StartsWith($"{file}.sm_", StringComparison.Ordinal) &&
            Runs(r, computeCapability) && readable(r))
        .OrderBy(r => Capability(Target(r))).ThenBy(r => Target(r).Length)
        .LastOrDefault();

    private static bool IsPtx(string resource) =>
        resource.EndsWith(".ptx", StringComparison.Ordinal);

    // "90a" of "layer_norm.sm_90a.ptx".
    private static string Target(string resource)
    {
        int start = resource.LastIndexOf(".sm_", StringComparison.Ordinal) + 4;
        return resource[start..^4];
    }

    private static int Capability(string target) =>
        int.Parse(target.TrimEnd('a'), CultureInfo.InvariantCulture);

    private static bool Runs(string resource, int computeCapability)
    {
        string target = Target(resource);
        return target.EndsWith('a')
            ? Capability(target) == computeCapability
            : Capability(target) <= computeCapability;
    }

    private static bool IsReadable(string resource) =>
        DriverApi.cuDriverGetVersion(out int driver) != 0 ||
        PtxVersion(resource) <= NewestPtx(driver);

    private bool Fits(string resource) =>
        Runs(resource, device.ComputeCapability) && IsReadable(resource);

    // 63 of ".version 6.3", which stands near the beginning.
    private static int PtxVersion(string resource)
    {
        using Stream stream = Own.GetManifestResourceStream(resource)!;
        byte[] head = new byte[1024];
        string text = Encoding.ASCII.GetString(head, 0, stream.ReadAtLeast(head, 1024, false));
        int at = text.IndexOf(".version ", StringComparison.Ordinal);
        if (at < 0) return 0;
        string[] parts = text[(at + 9)..].Split(['.', '\n', '\r', ' '], 3);
        return (10 * int.Parse(parts[0], CultureInfo.InvariantCulture)) +
            int.Parse(parts[1], CultureInfo.InvariantCulture);
    }

    private CudaModule Open(string file)
    {
        if (DriverLibrary.IsEmulation) return new(device, file, "emulation"u8.ToArray());
        string? name = Choose(
            Own.GetManifestResourceNames(), file, device.ComputeCapability, IsReadable);
        if (name is null) return Compile(file);
        using Stream resource = Own.GetManifestResourceStream(name)!;
        byte[] image = new byte[resource.Length];
        resource.ReadExactly(image);
        return new(device, name, image);
    }

    private CudaModule Compile(string file)
    {
        string source = KernelSources.Read(file) ?? throw new NotSupportedException(
            $"CUDA: no compiled '{file}' fits {device.Description}. Build the library where " +
            "nvcc or clang is found.");
        KernelCompiler compiler = new(KernelCompiler.DefaultFolder);
        return new(device, file, compiler.Compile(file, source, device.ComputeCapability));
    }
}
