using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.SoftmaxCrossEntropy;

/// <summary>Launches native/LossReduction/loss_reduction.cu: one number from the losses of labels,
/// or what their gradients are multiplied with.</summary>
internal sealed class LossReductionCuda(CudaQueue queue)
{
    private const uint Threads = 1024;

    private readonly TypedKernel kernel =
        new(queue, "loss_reduction", "loss_reduction_{0}");

    /// <summary>Launches it.</summary>
    /// <param name="type">Of the class weights.</param>
    /// <param name="argument">Labels, weights, losses and results.</param>
    public void Launch(DType type, in LossReductionArgument argument) => kernel[type].Launch(
        new(1, Threads, (int)Threads * sizeof(double)), argument);
}

/// <summary>LossReduction of loss_reduction.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LossReductionArgument
{
    public nint Labels, Weights, Losses, LossGradient, Result, WeightTotal;
    public long Count;
    public int Classes, Ignored, Ignores, Mean;

    /// <summary>The labels' side of a call.</summary>
    public static LossReductionArgument Of(
        BufferView labels, BufferView weights, int classes, int? ignoreIndex,
        LossReduction reduction) => new()
        {
            Labels = labels.Address,
            Weights = weights.Address,
            Count = labels.Length,
            Classes = classes,
            Ignored = ignoreIndex ?? 0,
            Ignores = ignoreIndex is null ? 0 : 1,
            Mean = reduction == LossReduction.Mean ? 1 : 0,
        };
}
