using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.Activations;

/// <summary>Launches <see cref="ActivationKernels"/>.</summary>
internal sealed class ActivationIlgpu(KernelQueue queue)
    : IKernel<ActivationForward>, IKernel<ActivationBackward>
{
    private readonly ByType<ITyped<ActivationBackward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in ActivationForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in ActivationBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("outputGradient", call.OutputGradient),
        ("inputGradient", call.InputGradient));

    public void Run(in ActivationForward call) => Run(new ActivationBackward()
    {
        Input = call.Input,
        InputGradient = call.Output,
        Length = call.Length,
        Activation = call.Activation,
    });

    public void Run(in ActivationBackward call)
    {
        if (call.Length > 0) kernels[call.Input.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<ActivationBackward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private readonly DeviceKernel<ActivationArgument<T>> kernel =
            new(queue, ActivationKernels.ThreadPerFour<T, TStorage>);

        public void Launch(in ActivationBackward call) => kernel.Launch(
            Elements.Shape(queue, (call.Length + 3) / 4),
            new()
            {
                Input = queue.View<T>(call.Input),
                OutputGradient = queue.View<T>(call.OutputGradient),
                Result = queue.View<T>(call.InputGradient),
                Length = call.Length,
                Activation = (int)call.Activation,
                Aligned = TensorTypes.RowsAligned(
                    4, call.Input, call.OutputGradient, call.InputGradient),
            });
    }
}
