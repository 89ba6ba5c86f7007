using System.Numerics;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.TopK;

/// <summary>Launches <see cref="TopKKernel"/>.</summary>
internal sealed class TopKIlgpu(KernelQueue queue) : IKernel<TopKForward>
{
    private const int BytesOfNumber = 8;

    private readonly ByType<ITyped<TopKForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in TopKForward call, out string? reason)
    {
        int padded = Padded(call.Count);
        reason = BytesOfNumber * (long)TopKKernel.SharedNumbers(padded) <= queue.Limits.SharedBytes
            ? null : $"has {queue.Limits.SharedBytes} bytes of shared memory, in which 'Count' " +
                $"{call.Count} elements of a row do not fit";
        return reason is null && TensorTypes.Same(out reason, ("input", call.Input));
    }

    public void Run(in TopKForward call) => kernels[call.Input.DType].Launch(call);

    // A larger one does not fit, either.
    private static int Padded(int count) =>
        (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(count, 1 << 30));

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<TopKForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<TopKArgument<T>> kernel =
            new(queue, TopKKernel.GroupPerRow<T, TStorage>);

        public void Launch(in TopKForward call)
        {
            int padded = Padded(call.Count);
            kernel.Launch(
                new(call.Rows, queue.Limits.Threads(MostThreads),
                    BytesOfNumber / sizeof(float) * TopKKernel.SharedNumbers(padded)),
                new()
                {
                    Input = queue.View<T>(call.Input),
                    Values = queue.View<T>(call.Values),
                    Indices = queue.View<int>(call.Indices),
                    Length = call.Length,
                    Count = call.Count,
                    Padded = padded,
                });
        }
    }
}
