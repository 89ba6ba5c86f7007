using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.Softmax;

/// <summary>Launches <see cref="SoftmaxKernels"/>.</summary>
internal sealed class SoftmaxIlgpu(KernelQueue queue)
    : IKernel<SoftmaxForward>, IKernel<LogSoftmaxForward>
{
    private readonly ByType<ITyped> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in SoftmaxForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in LogSoftmaxForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public void Run(in SoftmaxForward call)
    {
        if (call.Input.Length > 0) kernels[call.Input.DType].Launch(call, logarithm: false);
    }

    public void Run(in LogSoftmaxForward call)
    {
        if (call.Input.Length == 0) return;
        kernels[call.Input.DType].Launch(new()
        {
            Input = call.Input,
            Output = call.Output,
            Outer = call.Outer,
            Length = call.Length,
            Inner = call.Inner,
        }, logarithm: true);
    }

    private interface ITyped
    {
        void Launch(in SoftmaxForward call, bool logarithm);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 512;

        private readonly DeviceKernel<SoftmaxArgument<T>> rows =
            new(queue, SoftmaxKernels.GroupPerRow<T, TStorage>);

        private readonly DeviceKernel<SoftmaxArgument<T>> columns =
            new(queue, SoftmaxKernels.GroupPerColumns<T, TStorage>);

        public void Launch(in SoftmaxForward call, bool logarithm)
        {
            int warp = queue.Limits.WarpSize;
            SoftmaxArgument<T> argument = new()
            {
                Input = queue.View<T>(call.Input),
                Output = queue.View<T>(call.Output),
                Lines = (long)call.Outer * call.Inner,
                Length = call.Length,
                Inner = call.Inner,
                Logarithm = logarithm ? 1 : 0,
                Aligned = TensorTypes.RowsAligned(call.Length, call.Input, call.Output),
            };
            if (call.Inner > 1)
            {
                int threads = queue.Limits.Threads(MostThreads);
                long groups = (argument.Lines + warp - 1) / warp;
                columns.Launch(new(groups, threads, 2 * threads), in argument);
            }
            else
            {
                int threads = queue.Limits.Threads(Math.Min((call.Length + 3) / 4, MostThreads));
                rows.Launch(
                    new(call.Outer, threads, GroupSum.SharedFloats(threads, warp)), in argument);
            }
        }
    }
}
