using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.AdamW;

/// <summary>Launches <see cref="AdamWKernel"/>.</summary>
internal sealed class AdamWIlgpu(KernelQueue queue) : IKernel<AdamWForward>
{
    private readonly ByType<ITyped<AdamWForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in AdamWForward call, out string? reason) => TensorTypes.Same(
        out reason, ("parameter", call.Parameter), ("gradient", call.Gradient)) &&
        TensorTypes.Single(
            out reason, ("firstMoment", call.FirstMoment), ("secondMoment", call.SecondMoment),
            ("gradientScale", call.GradientScale));

    public void Run(in AdamWForward call)
    {
        if (call.Length > 0) kernels[call.Parameter.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<AdamWForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private readonly DeviceKernel<AdamWArgument<T>> kernel =
            new(queue, AdamWKernel.ThreadPerFour<T, TStorage>);

        public void Launch(in AdamWForward call) => kernel.Launch(
            Elements.Shape(queue, (call.Length + 3) / 4),
            new()
            {
                Parameter = queue.View<T>(call.Parameter),
                Gradient = queue.View<T>(call.Gradient),
                First = queue.View<float>(call.FirstMoment),
                Second = queue.View<float>(call.SecondMoment),
                GradientScale = queue.View<float>(call.GradientScale),
                Length = call.Length,
                Beta1 = (float)call.Beta1,
                Rest1 = (float)(1 - call.Beta1),
                Beta2 = (float)call.Beta2,
                Rest2 = (float)(1 - call.Beta2),
                Keep = (float)(1 - (call.LearningRate * call.WeightDecay)),
                Rate = (float)(call.LearningRate / (1 - Math.Pow(call.Beta1, call.Step))),
                RootCorrection = (float)Math.Sqrt(1 - Math.Pow(call.Beta2, call.Step)),
                Epsilon = (float)call.Epsilon,
                Aligned = TensorTypes.RowsAligned(4, call.Parameter, call.Gradient,
                    call.FirstMoment, call.SecondMoment),
            });
    }
}
