using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.Sampling;

/// <summary>Launches <see cref="SamplingKernel"/>.</summary>
internal sealed class SamplingIlgpu(KernelQueue queue) : IKernel<SamplingForward>
{
    // A smaller one would round to 0 in binary32; differences of logits are larger.
    private const double LeastTemperature = 1e-30;

    private readonly ByType<ITyped<SamplingForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in SamplingForward call, out string? reason) =>
        TensorTypes.Same(out reason, ("logits", call.Logits));

    public void Run(in SamplingForward call) => kernels[call.Logits.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<SamplingForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256, FloatsOfNumber = 2;

        private readonly DeviceKernel<SamplingArgument<T>> kernel =
            new(queue, SamplingKernel.GroupPerRow<T, TStorage>);

        public void Launch(in SamplingForward call)
        {
            double temperature = call.EffectiveTemperature;
            kernel.Launch(
                new(call.Rows, queue.Limits.Threads(MostThreads),
                    FloatsOfNumber * SamplingKernel.SharedNumbers),
                new()
                {
                    Logits = queue.View<T>(call.Logits),
                    Tokens = queue.View<int>(call.Tokens),
                    Seed = call.Options.Seed,
                    First = call.Options.First,
                    TopP = call.EffectiveTopP,
                    Temperature = temperature == 0
                        ? 0 : (float)Math.Max(temperature, LeastTemperature),
                    Vocabulary = call.Vocabulary,
                    Kept = call.EffectiveTopK,
                });
        }
    }
}
