using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Host;

namespace Transformer.Kernels.Ilgpu;

/// <summary>The backends whose kernels ILGPU compiles.</summary>
public static class IlgpuBackends
{
    // Behind CUDA C until a measurement puts one of them first.
    private const int GpuPriority = 50;

    private static int registered;

    /// <summary>True where the build had ILGPU.</summary>
    public static bool IsBuilt => true;

    /// <summary>Adds the backends to the registry, once. Devices are looked for when somebody first
    /// asks for more than a backend's name.</summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref registered, 1) != 0) return;
        BackendRegistry.Register(
            () => new IlgpuBackend("ilgpu-cuda", GpuPriority, new CudaQueue()));
        BackendRegistry.Register(
            () => new IlgpuBackend("ilgpu-opencl", GpuPriority - 1, new OpenClQueue()));
        BackendRegistry.Register(
            () => new IlgpuBackend("ilgpu-cpu", priority: -1, new CpuQueue()));
    }
}
