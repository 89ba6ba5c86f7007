using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Negative log-likelihood of labels with class weights w, and its gradient.</summary>
/// <remarks>
/// Formula: loss[o, i] = −w[label]·p[o, label, i], p the log-probabilities; ignored labels 0; Mean
/// divides by Σ w[label] of those that count. Backward: −lossGradient·s·w[label] at the label and 0
/// elsewhere, s being 1 or that division.
/// Shapes: p [Outer, Classes, Inner], contiguous; labels and losses [Outer, Inner]; w [Classes];
/// loss [1].
/// Work: one thread, label by label.
/// Bytes: one element of p read a label; backward writes all of the gradient.
/// Numerics: double. Labels that weigh 0 in all: mean and its gradient are 0.
/// Preconditions: a validated call; a label out of range is an ArgumentException.
/// Source: the definition; NegativeLogLikelihoodLoss of ai.onnx, opset 22.
/// </remarks>
internal sealed unsafe class NegativeLogLikelihoodReference
    : IKernel<NegativeLogLikelihoodForward>, IKernel<NegativeLogLikelihoodBackward>
{
    public void Run(in NegativeLogLikelihoodForward call)
    {
        NegativeLogLikelihoodChecks.Labels(call.Labels, call.Classes, call.IgnoreIndex);
        int* labels = call.Labels.Pointer<int>();
        double total = 0;
        for (long i = 0; i < call.Labels.Length; i++)
        {
            double loss = 0;
            if (labels[i] != call.IgnoreIndex)
            {
                (long outer, long inner) = Math.DivRem(i, call.Inner);
                long at = (((outer * call.Classes) + labels[i]) * call.Inner) + inner;
                loss = -Weight(call.ClassWeights, labels[i]) *
                    ReferenceBuffers.Get(call.LogProbabilities, at);
            }

            total += loss;
            if (call.Losses.IsPresent) ReferenceBuffers.Set(call.Losses, i, loss);
        }

        double scale =
            Scale(call.Labels, call.ClassWeights, call.IgnoreIndex, call.Reduction);
        ReferenceBuffers.Set(call.Loss, 0, total * scale);
    }

    public void Run(in NegativeLogLikelihoodBackward call)
    {
        NegativeLogLikelihoodChecks.Labels(call.Labels, call.Classes, call.IgnoreIndex);
        int* labels = call.Labels.Pointer<int>();
        double scale =
            Scale(call.Labels, call.ClassWeights, call.IgnoreIndex, call.Reduction);
        if (call.LossGradient.IsPresent) scale *= ReferenceBuffers.Get(call.LossGradient, 0);
        double[] gradient = new double[call.LogProbabilitiesGradient.Length];
        for (long i = 0; i < call.Labels.Length; i++)
        {
            if (labels[i] == call.IgnoreIndex) continue;
            (long outer, long inner) = Math.DivRem(i, call.Inner);
            long at = (((outer * call.Classes) + labels[i]) * call.Inner) + inner;
            gradient[at] = -scale * Weight(call.ClassWeights, labels[i]);
        }

        ReferenceBuffers.Write(call.LogProbabilitiesGradient, gradient);
    }

    private static double Weight(BufferView weights, int label) =>
        weights.IsPresent ? ReferenceBuffers.Get(weights, label) : 1;

    private static double Scale(
        BufferView labels, BufferView weights, int? ignoreIndex, LossReduction reduction)
    {
        if (reduction == LossReduction.Sum) return 1;
        double counted = 0;
        for (long i = 0; i < labels.Length; i++)
        {
            int label = labels.Pointer<int>()[i];
            if (label != ignoreIndex) counted += Weight(weights, label);
        }

        return counted == 0 ? 0 : 1 / counted;
    }
}
