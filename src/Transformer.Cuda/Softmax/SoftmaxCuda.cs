using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Softmax;

/// <summary>Launches native/Softmax/softmax.cu.</summary>
internal sealed class SoftmaxCuda(CudaQueue queue)
    : IKernel<SoftmaxForward>, IKernel<LogSoftmaxForward>
{
    private readonly TypedKernel warp = new(queue, "softmax", "softmax_{0}_warp_per_row");
    private readonly TypedKernel block = new(queue, "softmax", "softmax_{0}_block_per_row");
    private readonly TypedKernel columns = new(queue, "softmax", "softmax_{0}_columns");

    public bool Supports(in SoftmaxForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public bool Supports(in LogSoftmaxForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("output", call.Output));

    public void Run(in SoftmaxForward call) => Run(
        call.Input, call.Output, (call.Outer, call.Length, call.Inner), logarithm: false);

    public void Run(in LogSoftmaxForward call) => Run(
        call.Input, call.Output, (call.Outer, call.Length, call.Inner), logarithm: true);

    private void Run(
        BufferView input, BufferView output, (int Outer, int Length, int Inner) sizes,
        bool logarithm)
    {
        long lines = (long)sizes.Outer * sizes.Inner;
        if (lines == 0 || sizes.Length == 0) return;
        Argument argument = new()
        {
            Input = input.Address,
            Output = output.Address,
            Lines = lines,
            Length = sizes.Length,
            Inner = sizes.Inner,
            Logarithm = logarithm ? 1 : 0,
        };
        if (sizes.Inner > 1)
        {
            const uint threads = 512;
            const int shared = 2 * (int)threads * sizeof(float);
            columns[input.DType].Launch(
                new((uint)((lines + 31) / 32), threads, shared), argument);
        }
        else
        {
            (TypedKernel kernel, LaunchShape shape) = (
                RowShape.IsLong(sizes.Length) ? block : warp,
                RowShape.Of(sizes.Outer, sizes.Length));
            kernel[input.DType].Launch(shape, argument);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Output;
        public long Lines;
        public int Length, Inner, Logarithm;
    }
}

/// <summary>A warp or a block of 512 threads a row.</summary>
internal static class RowShape
{
    private const int WarpWidth = 1024;
    private const uint WarpThreads = 128, BlockThreads = 512;

    /// <summary>True where a block takes a row.</summary>
    public static bool IsLong(int width) => width > WarpWidth;

    /// <summary>The launch.</summary>
    public static LaunchShape Of(int rows, int width) => IsLong(width)
        ? new((uint)rows, BlockThreads, (int)BlockThreads / 32 * sizeof(float))
        : new(((uint)rows + (WarpThreads / 32) - 1) / (WarpThreads / 32), WarpThreads);
}
