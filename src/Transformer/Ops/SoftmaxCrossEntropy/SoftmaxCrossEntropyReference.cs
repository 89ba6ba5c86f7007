using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Cross entropy of softmax with class weights w and label smoothing ε, and its gradient.
/// </summary>
/// <remarks>
/// Formula: n[c] = lse[r] − logits[r, c]; loss[r] = (1 − ε)·w[label]·n[label] + ε/C·Σ w[c]·n[c];
/// ignored rows 0; Mean divides by Σ w[label] of the rows that count. Backward, p the softmax,
/// W = Σ w: lossGradient·s·(((1 − ε)·w[label] + ε/C·W)·p[c] − (1 − ε)·w[label]·[c = label] −
/// ε/C·w[c]), s being 1 or that division.
/// Shapes: logits [Rows, Classes], contiguous; w [Classes]; labels, rowLosses and lse [Rows]; loss
/// [1].
/// Work: one thread, row by row.
/// Bytes: logits read once into double; backward writes as much.
/// Numerics: double, the row's maximum subtracted. Backward computes softmax anew, so
/// that the rounding of a stored lse does not enter. Rows that weigh 0 in all: loss and gradients
/// of the mean are 0.
/// Preconditions: a validated call; a label out of range is an ArgumentException.
/// Source: Szegedy et al. 2016, §7 (smoothing); gradient by hand.
/// </remarks>
internal sealed unsafe class SoftmaxCrossEntropyReference : IKernel<SoftmaxCrossEntropyForward>,
    IKernel<SoftmaxCrossEntropyBackward>
{
    public void Run(in SoftmaxCrossEntropyForward call)
    {
        int* labels = call.Labels.Pointer<int>();
        IdCheck.Labels(SoftmaxCrossEntropyForward.Op, "labels", labels, call.Rows, call.Classes,
            call.IgnoreIndex);
        if (call.Rows == 0)
        {
            ReferenceBuffers.Set(call.Loss, 0, 0);
            return;
        }

        double[] logits = ReferenceBuffers.Read(call.Logits);
        double[] weights = Weights(call.ClassWeights, call.Classes);
        double total = 0;
        for (int r = 0; r < call.Rows; r++)
        {
            ReadOnlySpan<double> row = logits.AsSpan(r * call.Classes, call.Classes);
            (double max, double sum) = SoftmaxReference.MaximumAndSum(row);
            double loss = labels[r] == call.IgnoreIndex
                ? 0 : RowLoss(row, weights, max, Math.Log(sum), labels[r], call.LabelSmoothing);
            total += loss;
            ReferenceBuffers.Set(call.LogSumExp, r, max + Math.Log(sum));
            if (call.RowLosses.IsPresent) ReferenceBuffers.Set(call.RowLosses, r, loss);
        }

        double scale =
            Scale(call.Labels, weights, call.Rows, call.IgnoreIndex, call.Reduction);
        ReferenceBuffers.Set(call.Loss, 0, total * scale);
    }

    public void Run(in SoftmaxCrossEntropyBackward call)
    {
        int* labels = call.Labels.Pointer<int>();
        IdCheck.Labels(SoftmaxCrossEntropyBackward.Op, "labels", labels, call.Rows, call.Classes,
            call.IgnoreIndex);
        if (call.Rows == 0) return;
        double[] logits = ReferenceBuffers.Read(call.Logits);
        double[] weights = Weights(call.ClassWeights, call.Classes);
        double scale =
            Scale(call.Labels, weights, call.Rows, call.IgnoreIndex, call.Reduction);
        if (call.LossGradient.IsPresent) scale *= ReferenceBuffers.Get(call.LossGradient, 0);
        double elsewhere = call.LabelSmoothing / call.Classes;
        double spread = elsewhere * weights.Sum();
        for (int r = 0; r < call.Rows; r++)
        {
            bool ignored = labels[r] == call.IgnoreIndex;
            Span<double> row = logits.AsSpan(r * call.Classes, call.Classes);
            if (ignored)
            {
                row.Clear();
                continue;
            }

            (double max, double sum) = SoftmaxReference.MaximumAndSum(row);
            double atLabel = (1 - call.LabelSmoothing) * weights[labels[r]];
            for (int c = 0; c < row.Length; c++)
            {
                double target = (c == labels[r] ? atLabel : 0) + (elsewhere * weights[c]);
                double softmax = Math.Exp(row[c] - max) / sum;
                row[c] = scale * (((atLabel + spread) * softmax) - target);
            }
        }

        ReferenceBuffers.Write(call.LogitsGradient, logits);
    }

    private static double RowLoss(
        ReadOnlySpan<double> row, double[] weights, double max, double logSum, int label,
        double smoothing)
    {
        // lse = max + logSum, kept apart: the differences from the maximum are exact where it is
        // large.
        double loss = (1 - smoothing) * weights[label] * (max - row[label] + logSum);
        if (smoothing == 0) return loss;
        double total = 0;
        for (int c = 0; c < row.Length; c++) total += weights[c] * (max - row[c] + logSum);
        return loss + (smoothing * total / row.Length);
    }

    private static double[] Weights(BufferView view, int classes)
    {
        if (view.IsPresent) return ReferenceBuffers.Read(view);
        double[] ones = new double[classes];
        Array.Fill(ones, 1);
        return ones;
    }

    private static double Scale(
        BufferView labels, double[] weights, int rows, int? ignoreIndex, LossReduction reduction)
    {
        if (reduction == LossReduction.Sum) return 1;
        double counted = 0;
        for (int r = 0; r < rows; r++)
        {
            int label = labels.Pointer<int>()[r];
            if (label != ignoreIndex) counted += weights[label];
        }

        return counted == 0 ? 0 : 1 / counted;
    }
}
