using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Tensors;

namespace Transformer.Cuda.Norm;

/// <summary>Gradients of layer norm and root-mean-square norm:
/// native/include/norm_backward.cuh.</summary>
internal sealed class NormBackwardLauncher(CudaQueue queue, string file, string op)
{
    private const int Elements = 32; // of a row that a thread holds
    private const uint WarpThreads = 128, BlockThreads = 256;
    // One wave of 128 threads on the largest device; each gets 16 rows at least.
    private const int MaximumBlocks = 512, RowsOfBlock = 16;
    private const int MaximumParts = 64, RowsOfPart = 64;

    private readonly TypedKernel warp = new(queue, file, op + "_backward_{0}_warp_per_row");
    private readonly TypedKernel block = new(queue, file, op + "_backward_{0}_block_per_row");
    private readonly TypedKernel strided = new(queue, file, op + "_backward_{0}_strided");
    private readonly TypedKernel columns = new(queue, file, op + "_backward_{0}_columns");
    private readonly PartialSumsCuda sums = new(queue);

    /// <summary>Launches the kernels that fit width and alignment.</summary>
    /// <param name="type">Of the tensors.</param>
    /// <param name="aligned">Every row starts on 16 bytes.</param>
    /// <param name="argument">The call, without partial sums.</param>
    /// <param name="weightGradient">[Width], added to; 0: not computed.</param>
    /// <param name="biasGradient">[Width], added to; 0: not computed.</param>
    public void Launch(
        DType type, bool aligned, NormBackwardArgument argument, nint weightGradient,
        nint biasGradient)
    {
        int rows = argument.Rows, width = argument.Width;
        if (rows == 0) return;
        bool held = aligned && width <= BlockThreads * Elements;
        int parts = held ? Parts(rows, RowsOfBlock, MaximumBlocks)
            : Parts(rows, RowsOfPart, MaximumParts);
        long bytes = (long)parts * width * sizeof(float);
        using CudaScratch weights = queue.Rent(weightGradient == 0 ? 0 : bytes);
        using CudaScratch biases = queue.Rent(biasGradient == 0 ? 0 : bytes);
        argument.WeightPartials = weights.Address;
        argument.BiasPartials = biases.Address;
        if (held) Held(type, (uint)parts, argument);
        else Strided(type, (uint)parts, argument);
        sums.Launch(type, new()
        {
            Partials = weights.Address,
            SecondPartials = biases.Address,
            Target = weightGradient,
            SecondTarget = biasGradient,
            Parts = parts,
            Width = width,
        });
    }

    private static int Parts(int rows, int least, int most) =>
        Math.Min((rows + least - 1) / least, most);

    private void Held(DType type, uint blocks, in NormBackwardArgument argument)
    {
        if (argument.Width <= 32 * Elements)
        {
            const int shared = 32 * Elements * sizeof(float);
            warp[type].Launch(new(blocks, WarpThreads, shared), argument);
        }
        else
        {
            const int shared = 2 * (int)BlockThreads / 32 * sizeof(float);
            block[type].Launch(new(blocks, BlockThreads, shared), argument);
        }
    }

    private void Strided(DType type, uint parts, in NormBackwardArgument argument)
    {
        // First the columns: the input's gradient may take the output gradient's place.
        if (argument.WeightPartials != 0 || argument.BiasPartials != 0)
        {
            uint tiles = ((uint)argument.Width + 31) / 32;
            const int both = 2 * (int)BlockThreads * sizeof(float);
            columns[type].Launch(new(tiles, BlockThreads, both, parts), argument);
        }

        const int shared = 2 * (int)BlockThreads / 32 * sizeof(float);
        strided[type].Launch(new((uint)argument.Rows, BlockThreads, shared), argument);
    }
}

/// <summary>NormBackward of norm_backward.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormBackwardArgument
{
    public nint Sum, Weight, OutputGradient, SumGradient, Mean, Inverse, InputGradient;
    public nint WeightPartials, BiasPartials;
    public int Rows, Width;
}
