using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Tensors;

namespace Transformer.Cuda.Norm;

/// <summary>Launches native/PartialSums/partial_sums.cu: adds sums over parts to one or two
/// targets.</summary>
internal sealed class PartialSumsCuda(CudaQueue queue)
{
    private const uint Threads = 512;

    private readonly TypedKernel kernel = new(queue, "partial_sums", "partial_sums_{0}");

    /// <summary>Launches it, unless there is no target.</summary>
    /// <param name="type">Of the targets.</param>
    /// <param name="argument">Partial sums and targets.</param>
    public void Launch(DType type, in PartialSumsArgument argument)
    {
        if (argument.Target == 0 && argument.SecondTarget == 0) return;
        uint tiles = ((uint)argument.Width + 31) / 32;
        uint pairs = argument.SecondTarget == 0 ? 1u : 2u;
        kernel[type].Launch(
            new(tiles, Threads, (int)Threads * sizeof(float), pairs), argument);
    }
}

/// <summary>PartialSums of partial_sums.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PartialSumsArgument
{
    public nint Partials, SecondPartials, Target, SecondTarget;
    public int Parts, Width;
}
