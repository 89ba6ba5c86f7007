using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.Dropout;

/// <summary>Launches <see cref="DropoutKernel"/>.</summary>
internal sealed class DropoutIlgpu(KernelQueue queue)
    : IKernel<DropoutForward>, IKernel<DropoutBackward>
{
    private readonly ByType<ITyped<DropoutForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in DropoutForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in DropoutBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient));

    public void Run(in DropoutForward call)
    {
        if (call.Length > 0) kernels[call.Input.DType].Launch(call);
    }

    public void Run(in DropoutBackward call) => Run(new DropoutForward()
    {
        Input = call.OutputGradient,
        Output = call.InputGradient,
        RandomState = call.RandomState,
        Length = call.Length,
        Probability = call.Probability,
        Stream = call.Stream,
    });

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<DropoutForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private readonly DeviceKernel<DropoutArgument<T>> kernel =
            new(queue, DropoutKernel.ThreadPerFour<T, TStorage>);

        public void Launch(in DropoutForward call) => kernel.Launch(
            Elements.Shape(queue, (call.Length + 3) / 4),
            new()
            {
                Input = queue.View<T>(call.Input),
                Output = queue.View<T>(call.Output),
                State = queue.View<long>(call.RandomState),
                Length = call.Length,
                Probability = call.Probability,
                Scale = 1f / (1f - call.Probability),
                Stream = call.Stream,
                Aligned = TensorTypes.RowsAligned(4, call.Input, call.Output),
            });
    }
}
