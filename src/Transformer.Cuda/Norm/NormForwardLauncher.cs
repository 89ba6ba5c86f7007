using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.Norm;

/// <summary>Rows of layer norm and root-mean-square norm: native/include/norm_forward.cuh.
/// </summary>
internal sealed class NormForwardLauncher(CudaQueue queue, string file)
{
    private const uint BlockThreads = 256, WarpThreads = 128;
    private const int Chunks = 8; // of 16 bytes that a thread holds

    private readonly TypedKernel warp = Named(queue, file, "warp_per_row");
    private readonly TypedKernel block = Named(queue, file, "block_per_row");
    private readonly TypedKernel warpStrided = Named(queue, file, "warp_strided");
    private readonly TypedKernel blockStrided = Named(queue, file, "block_strided");

    /// <summary>Launches a kernel that fits width and alignment.</summary>
    /// <param name="type">Of the tensors.</param>
    /// <param name="aligned">Every row starts on 16 bytes.</param>
    /// <param name="argument">The call.</param>
    public void Launch(DType type, bool aligned, in NormForwardArgument argument)
    {
        int chunk = 16 / type.Size();
        uint rows = (uint)argument.Rows;
        if (argument.Width <= 32 * Chunks * chunk)
        {
            const uint perBlock = WarpThreads / 32;
            (aligned ? warp : warpStrided)[type].Launch(
                new((rows + perBlock - 1) / perBlock, WarpThreads), argument);
            return;
        }

        bool fits = aligned && argument.Width <= (int)BlockThreads * Chunks * chunk;
        (fits ? block : blockStrided)[type].Launch(
            new(rows, BlockThreads, (int)BlockThreads / 32 * sizeof(float)), argument);
    }

    private static TypedKernel Named(CudaQueue queue, string file, string work) =>
        new(queue, file, file + "_forward_{0}_" + work);
}

/// <summary>NormForward of norm_forward.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormForwardArgument
{
    public nint Input, Residual, Weight, Bias, Sum, Output, Mean, Inverse;
    public int Rows, Width;
    public float Epsilon;
}
