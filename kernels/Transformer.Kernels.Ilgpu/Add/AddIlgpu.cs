using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.Add;

/// <summary>Launches <see cref="AddKernel"/>.</summary>
internal sealed class AddIlgpu(KernelQueue queue) : IKernel<AddForward>
{
    private readonly ByType<ITyped<AddForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in AddForward call, out string? reason) => TensorTypes.Same(
        out reason, ("left", call.Left), ("right", call.Right), ("output", call.Output));

    public void Run(in AddForward call)
    {
        if (call.Length > 0) kernels[call.Left.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<AddForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private readonly DeviceKernel<AddArgument<T>> kernel =
            new(queue, AddKernel.ThreadPerFour<T, TStorage>);

        public void Launch(in AddForward call) => kernel.Launch(
            Elements.Shape(queue, (call.Length + 3) / 4),
            new()
            {
                Left = queue.View<T>(call.Left),
                Right = queue.View<T>(call.Right),
                Output = queue.View<T>(call.Output),
                Length = call.Length,
                Aligned = TensorTypes.RowsAligned(4, call.Left, call.Right, call.Output),
            });
    }
}
