using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.LayerNorm;

/// <summary>Launches native/LayerNorm/layer_norm.cu.</summary>
internal sealed class LayerNormForwardCuda(CudaQueue queue) : IKernel<LayerNormForward>
{
    private const uint BlockThreads = 256, WarpThreads = 128;
    private const int Chunks = 8; // of 16 bytes that a thread holds

    private readonly TypedKernel warp = Named(queue, "warp_per_row");
    private readonly TypedKernel block = Named(queue, "block_per_row");
    private readonly TypedKernel warpStrided = Named(queue, "warp_strided");
    private readonly TypedKernel blockStrided = Named(queue, "block_strided");

    public bool Supports(in LayerNormForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("residual", call.Residual), ("weight", call.Weight),
        ("bias", call.Bias), ("sum", call.Sum), ("output", call.Output));

    public void Run(in LayerNormForward call)
    {
        Argument argument = new()
        {
            Input = call.Input.Address,
            Residual = call.Residual.Address,
            Weight = call.Weight.Address,
            Bias = call.Bias.Address,
            Sum = call.Sum.Address,
            Output = call.Output.Address,
            Mean = call.Mean.Address,
            InverseStd = call.InverseStd.Address,
            Rows = call.Rows,
            Width = call.Width,
            Epsilon = (float)call.EffectiveEpsilon,
        };
        DType type = call.Input.DType;
        int chunk = 16 / type.Size();
        bool whole = CudaTypes.RowsAligned(call.Width, call.Input, call.Residual, call.Weight,
            call.Bias, call.Sum, call.Output);
        uint rows = (uint)call.Rows;
        if (call.Width <= 32 * Chunks * chunk)
        {
            const uint perBlock = WarpThreads / 32;
            (whole ? warp : warpStrided)[type].Launch(
                new((rows + perBlock - 1) / perBlock, WarpThreads), argument);
        }
        else
        {
            bool fits = whole && call.Width <= (int)BlockThreads * Chunks * chunk;
            (fits ? block : blockStrided)[type].Launch(
                new(rows, BlockThreads, (int)BlockThreads / 32 * sizeof(float)), argument);
        }
    }

    private static TypedKernel Named(CudaQueue queue, string work) =>
        new(queue, "layer_norm", "layer_norm_forward_{0}_" + work);

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Residual, Weight, Bias, Sum, Output, Mean, InverseStd;
        public int Rows, Width;
        public float Epsilon;
    }
}
