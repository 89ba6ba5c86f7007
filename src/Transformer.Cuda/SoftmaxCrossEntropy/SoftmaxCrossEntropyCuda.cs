using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Cuda.Softmax;
using Transformer.Ops;

namespace Transformer.Cuda.SoftmaxCrossEntropy;

/// <summary>Launches native/SoftmaxCrossEntropy/softmax_cross_entropy.cu, forward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class SoftmaxCrossEntropyForwardCuda(CudaQueue queue)
    : IKernel<SoftmaxCrossEntropyForward>
{
    private readonly TypedKernel warp = new(
        queue, "softmax_cross_entropy", "softmax_cross_entropy_forward_{0}_warp_per_row");

    private readonly TypedKernel block = new(
        queue, "softmax_cross_entropy", "softmax_cross_entropy_forward_{0}_block_per_row");

    private readonly LossReductionCuda reduction = new(queue);

    public bool Supports(in SoftmaxCrossEntropyForward call, out string? reason) =>
        CudaTypes.Same(
            out reason, ("logits", call.Logits), ("classWeights", call.ClassWeights)) &&
        CudaTypes.Single(
            out reason, ("rowLosses", call.RowLosses), ("logSumExp", call.LogSumExp),
            ("loss", call.Loss));

    public void Run(in SoftmaxCrossEntropyForward call)
    {
        using CudaScratch rented = queue.Rent(
            call.RowLosses.IsPresent ? 0 : Math.Max(1, call.Rows) * sizeof(float));
        nint losses = call.RowLosses.IsPresent ? call.RowLosses.Address : rented.Address;
        LossReductionArgument labels = LossReductionArgument.Of(
            call.Labels, call.ClassWeights, call.Classes, call.IgnoreIndex, call.Reduction);
        (RowShape.IsLong(call.Classes) ? block : warp)[call.Logits.DType].Launch(
            RowShape.Of(call.Rows, call.Classes), new Argument
            {
                Logits = call.Logits.Address,
                Weights = call.ClassWeights.Address,
                Labels = call.Labels.Address,
                Losses = losses,
                LogSumExp = call.LogSumExp.Address,
                Rows = call.Rows,
                Classes = call.Classes,
                Ignored = labels.Ignored,
                Ignores = labels.Ignores,
                Smoothing = (float)call.LabelSmoothing,
            });
        reduction.Launch(
            call.Logits.DType, labels with { Losses = losses, Result = call.Loss.Address });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Logits, Weights, Labels, Losses, LogSumExp;
        public int Rows, Classes, Ignored, Ignores;
        public float Smoothing;
    }
}

/// <summary>Launches native/SoftmaxCrossEntropy/softmax_cross_entropy.cu, backward.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class SoftmaxCrossEntropyBackwardCuda(CudaQueue queue)
    : IKernel<SoftmaxCrossEntropyBackward>
{
    private readonly TypedKernel warp = new(
        queue, "softmax_cross_entropy", "softmax_cross_entropy_backward_{0}_warp_per_row");

    private readonly TypedKernel block = new(
        queue, "softmax_cross_entropy", "softmax_cross_entropy_backward_{0}_block_per_row");

    private readonly LossReductionCuda reduction = new(queue);

    public bool Supports(in SoftmaxCrossEntropyBackward call, out string? reason) =>
        CudaTypes.Same(
            out reason, ("logits", call.Logits), ("classWeights", call.ClassWeights),
            ("logitsGradient", call.LogitsGradient)) &&
        CudaTypes.Single(
            out reason, ("logSumExp", call.LogSumExp), ("lossGradient", call.LossGradient));

    public void Run(in SoftmaxCrossEntropyBackward call)
    {
        if (call.Rows == 0) return;
        using CudaScratch scales = queue.Rent(2 * sizeof(float));
        LossReductionArgument labels = LossReductionArgument.Of(
            call.Labels, call.ClassWeights, call.Classes, call.IgnoreIndex, call.Reduction);
        nint weightTotal = scales.Address + sizeof(float);
        reduction.Launch(call.Logits.DType, labels with
        {
            LossGradient = call.LossGradient.Address,
            Result = scales.Address,
            WeightTotal = weightTotal,
        });
        (RowShape.IsLong(call.Classes) ? block : warp)[call.Logits.DType].Launch(
            RowShape.Of(call.Rows, call.Classes), new Argument
            {
                Logits = call.Logits.Address,
                Weights = call.ClassWeights.Address,
                Labels = call.Labels.Address,
                LogSumExp = call.LogSumExp.Address,
                Scale = scales.Address,
                WeightTotal = weightTotal,
                Gradient = call.LogitsGradient.Address,
                Rows = call.Rows,
                Classes = call.Classes,
                Ignored = labels.Ignored,
                Ignores = labels.Ignores,
                Smoothing = (float)call.LabelSmoothing,
            });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Logits, Weights, Labels, LogSumExp, Scale, WeightTotal, Gradient;
        public int Rows, Classes, Ignored, Ignores;
        public float Smoothing;
    }
}
