using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;

namespace Transformer.Cuda.GradientNorm;

/// <summary>Launches native/GradientNorm/gradient_norm.cu.</summary>
internal sealed class GradientNormCuda(CudaQueue queue) : IKernel<GradientNormForward>
{
    private const uint Threads = 256;
    private const int SharedBytes = (int)Threads * sizeof(double);
    private const long BytesOfBlock = 32768, MaximumBlocks = 1024;

    private readonly TypedKernel partials =
        new(queue, "gradient_norm", "gradient_norm_partials_{0}");

    private readonly CudaKernel total = queue.Kernel("gradient_norm", "gradient_norm_total");

    public bool Supports(in GradientNormForward call, out string? reason) => CudaTypes.Same(
        out reason, ("gradient", call.Gradient)) && CudaTypes.Single(
        out reason, ("norm", call.Norm), ("clipScale", call.ClipScale));

    public void Run(in GradientNormForward call)
    {
        long bytes = call.Length * Tensors.DTypes.Size(call.Gradient.DType);
        int blocks = (int)Math.Min((bytes + BytesOfBlock - 1) / BytesOfBlock, MaximumBlocks);
        using CudaScratch scratch = queue.Rent(blocks * sizeof(double));
        partials[call.Gradient.DType].Launch(
            new((uint)blocks, Threads, SharedBytes), new PartialsArgument
            {
                Gradient = call.Gradient.Address,
                Partials = scratch.Address,
                Length = call.Length,
                Chunks = CudaElements.Chunks(call.Length, call.Gradient),
            });
        total.Launch(new(1, Threads, SharedBytes), new TotalArgument
        {
            Partials = scratch.Address,
            Norm = call.Norm.Address,
            ClipScale = call.ClipScale.Address,
            MaxNorm = call.MaxNorm,
            Parts = blocks,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PartialsArgument
    {
        public nint Gradient, Partials;
        public long Length;
        public ulong Chunks;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TotalArgument
    {
        public nint Partials, Norm, ClipScale;
        public double MaxNorm;
        public int Parts;
    }
}
