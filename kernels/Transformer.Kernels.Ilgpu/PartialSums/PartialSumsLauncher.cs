using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.PartialSums;

/// <summary>Launches <see cref="PartialSums"/> for a target of type T.</summary>
internal sealed class PartialSumsLauncher<T, TStorage>(KernelQueue queue)
    where T : unmanaged where TStorage : struct, IStorage<T>
{
    private const int MostThreads = 256;

    private readonly DeviceKernel<PartialSumsArgument<T>> kernel =
        new(queue, PartialSums.ThreadPerColumn<T, TStorage>);

    /// <summary>Adds the sums to the target, unless there is none.</summary>
    /// <param name="partials">[parts, width].</param>
    /// <param name="parts">Parts.</param>
    /// <param name="target">[width].</param>
    public void Launch(ArrayView<float> partials, int parts, BufferView target)
    {
        if (target.IsAbsent) return;
        int width = (int)target.Length, threads = queue.Limits.Threads(MostThreads);
        PartialSumsArgument<T> argument = new()
        {
            Partials = partials,
            Target = queue.View<T>(target),
            Parts = parts,
            Width = width,
        };
        kernel.Launch(new((width + threads - 1) / threads, threads), in argument);
    }
}
