using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Cuda.SoftmaxCrossEntropy;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.NegativeLogLikelihood;

/// <summary>Launches native/NegativeLogLikelihood/negative_log_likelihood.cu.</summary>
/// <remarks>A label that is neither a class nor ignored gives NaN.</remarks>
internal sealed class NegativeLogLikelihoodCuda(CudaQueue queue)
    : IKernel<NegativeLogLikelihoodForward>, IKernel<NegativeLogLikelihoodBackward>
{
    private readonly TypedKernel kernel =
        new(queue, "negative_log_likelihood", "negative_log_likelihood_{0}");

    private readonly LossReductionCuda reduction = new(queue);

    public bool Supports(in NegativeLogLikelihoodForward call, out string? reason) =>
        CudaTypes.Same(
            out reason, ("logProbabilities", call.LogProbabilities),
            ("classWeights", call.ClassWeights)) &&
        CudaTypes.Single(out reason, ("losses", call.Losses), ("loss", call.Loss));

    public bool Supports(in NegativeLogLikelihoodBackward call, out string? reason) =>
        CudaTypes.Same(
            out reason, ("logProbabilitiesGradient", call.LogProbabilitiesGradient),
            ("classWeights", call.ClassWeights)) &&
        CudaTypes.Single(out reason, ("lossGradient", call.LossGradient));

    public void Run(in NegativeLogLikelihoodForward call)
    {
        long count = call.Labels.Length;
        using CudaScratch rented = queue.Rent(
            call.Losses.IsPresent ? 0 : Math.Max(1, count) * sizeof(float));
        nint losses = call.Losses.IsPresent ? call.Losses.Address : rented.Address;
        LossReductionArgument labels = LossReductionArgument.Of(
            call.Labels, call.ClassWeights, call.Classes, call.IgnoreIndex, call.Reduction);
        DType type = call.LogProbabilities.DType;
        kernel[type].Launch(CudaElements.Shape(count), new Argument
        {
            LogProbabilities = call.LogProbabilities.Address,
            Weights = call.ClassWeights.Address,
            Labels = call.Labels.Address,
            Losses = losses,
            Count = count,
            Classes = call.Classes,
            Inner = call.Inner,
            Ignored = labels.Ignored,
            Ignores = labels.Ignores,
        });
        reduction.Launch(type, labels with { Losses = losses, Result = call.Loss.Address });
    }

    public void Run(in NegativeLogLikelihoodBackward call)
    {
        BufferView gradient = call.LogProbabilitiesGradient;
        if (gradient.Length == 0) return;
        using CudaScratch scale = queue.Rent(sizeof(float));
        LossReductionArgument labels = LossReductionArgument.Of(
            call.Labels, call.ClassWeights, call.Classes, call.IgnoreIndex, call.Reduction);
        reduction.Launch(gradient.DType, labels with
        {
            LossGradient = call.LossGradient.Address,
            Result = scale.Address,
        });
        CudaElements.Clear(queue, gradient.Address, gradient.Length * gradient.DType.Size());
        kernel[gradient.DType].Launch(CudaElements.Shape(call.Labels.Length), new Argument
        {
            Weights = call.ClassWeights.Address,
            Labels = call.Labels.Address,
            Scale = scale.Address,
            Gradient = gradient.Address,
            Count = call.Labels.Length,
            Classes = call.Classes,
            Inner = call.Inner,
            Ignored = labels.Ignored,
            Ignores = labels.Ignores,
        });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint LogProbabilities, Weights, Labels, Scale, Losses, Gradient;
        public long Count;
        public int Classes, Inner, Ignored, Ignores;
    }
}
