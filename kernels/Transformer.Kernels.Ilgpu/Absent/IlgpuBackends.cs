using Transformer.Backends;

namespace Transformer.Kernels.Ilgpu;

/// <summary>The backends of ILGPU, where the build had no such package.</summary>
public static class IlgpuBackends
{
    private static int registered;

    /// <summary>True where the build had ILGPU.</summary>
    public static bool IsBuilt => false;

    /// <summary>Adds the backends to the registry, once; they say why they cannot run.</summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref registered, 1) != 0) return;
        BackendRegistry.Register(() => new Absent("ilgpu-cuda", "NVIDIA GPU"));
        BackendRegistry.Register(() => new Absent("ilgpu-opencl", "OpenCL GPU"));
        BackendRegistry.Register(() => new Absent("ilgpu-cpu", "CPU"));
    }

    private sealed class Absent(string name, string device) : Backend
    {
        public override string Name => name;

        public override string Device => device;

        public override int Priority => -1;

        public override string? UnavailableReason =>
#if TRIMMED
            "left out of this build: ILGPU finds methods by reflection, so nothing may be trimmed";
#elif SWITCHED_OFF
            "built without ILGPU by -p:WithIlgpu=false; build without that property to have it";
#else
            "built without ILGPU, which no configured NuGet feed had; build where one has it";
#endif
    }
}
