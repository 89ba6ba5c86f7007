using ILGPU;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Launch shapes as ILGPU takes them.</summary>
internal static class LaunchShapeExtensions
{
    public static KernelConfig ToConfig(this LaunchShape shape) => new(
        new Index3D((int)shape.Groups, shape.GroupsY, 1),
        new Index3D(shape.Threads, 1, 1),
        shape.SharedFloats == 0
            ? default : SharedMemoryConfig.RequestDynamic<float>(shape.SharedFloats));
}
