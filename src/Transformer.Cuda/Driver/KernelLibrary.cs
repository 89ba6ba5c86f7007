using System.Collections.Concurrent;
using System.Reflection;

namespace Transformer.Cuda.Driver;

/// <summary>The compiled kernels that this assembly carries, for one device.</summary>
/// <remarks>Resources are named FILE.sm_NN.ptx. A device takes the highest NN that it reaches; one
/// that ends in 'a' runs on exactly that device.</remarks>
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
            string[] targets = [.. Own.GetManifestResourceNames().Where(IsPtx)];
            if (targets.Length == 0)
            {
                return "the library was built where neither nvcc nor clang was found, without " +
                    "compiled kernels. Build it where one of them is";
            }

            return targets.Any(name => Fits(Target(name))) ? null
                : $"{device.Description} has compute capability {device.ComputeCapability / 10}." +
                    $"{device.ComputeCapability % 10}; the kernels need 7.5 or more";
        }
    }

    /// <summary>The kernels of one file of native/.</summary>
    public CudaModule Module(string file) => modules.GetOrAdd(file, Open);

    private static bool IsPtx(string resource) =>
        resource.EndsWith(".ptx", StringComparison.Ordinal);

    // "90a" of "layer_norm.sm_90a.ptx".
    private static string Target(string resource)
    {
        int start = resource.LastIndexOf(".sm_", StringComparison.Ordinal) + 4;
        return resource[start..^4];
    }

    private static int Capability(string target) => int.Parse(
        target.TrimEnd('a'), System.Globalization.CultureInfo.InvariantCulture);

    private bool Fits(string target) => target.EndsWith('a')
        ? Capability(target) == device.ComputeCapability
        : Capability(target) <= device.ComputeCapability;

    private CudaModule Open(string file)
    {
        if (DriverLibrary.IsEmulation) return new(device, file, "emulation"u8.ToArray());
        string name = Own.GetManifestResourceNames()
            .Where(r => IsPtx(r) && r.StartsWith($"{file}.sm_", StringComparison.Ordinal) &&
                Fits(Target(r)))
            .OrderBy(r => Capability(Target(r))).ThenBy(r => Target(r).Length)
            .LastOrDefault() ?? throw new NotSupportedException(
                $"CUDA: no compiled '{file}' fits {device.Description}. Build the library where " +
                "nvcc or clang is found.");
        using Stream resource = Own.GetManifestResourceStream(name)!;
        byte[] image = new byte[resource.Length];
        resource.ReadExactly(image);
        return new(device, name, image);
    }
}
