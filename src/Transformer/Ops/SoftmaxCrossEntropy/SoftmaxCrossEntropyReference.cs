using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Cross entropy of softmax with label smoothing, and its gradient.</summary>
/// <remarks>
/// Formula: loss[r] = lse[r] − (1 − ε)·logits[r, label] − ε·avg(logits[r]); ignored rows 0; Mean
/// divides by the rows that count. Backward: lossGradient·w·(softmax − target).
/// Shapes: logits [Rows, Classes], contiguous; labels, rowLosses and lse [Rows]; loss [1].
/// Work: one thread, row by row.
/// Bytes: logits read once into double; backward writes as much.
/// Numerics: double, the row's maximum subtracted. Backward computes softmax anew, so
/// that the rounding of a stored lse does not enter. No rows that count: loss and gradients are 0.
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
        double[] logits = ReferenceBuffers.Read(call.Logits);
        double total = 0;
        for (int r = 0; r < call.Rows; r++)
        {
            ReadOnlySpan<double> row = logits.AsSpan(r * call.Classes, call.Classes);
            (double max, double sum) = MaxAndSum(row);
            double loss = labels[r] == call.IgnoreIndex
                ? 0 : RowLoss(row, max, Math.Log(sum), labels[r], call.LabelSmoothing);
            total += loss;
            ReferenceBuffers.Set(call.LogSumExp, r, max + Math.Log(sum));
            if (call.RowLosses.IsPresent) ReferenceBuffers.Set(call.RowLosses, r, loss);
        }

        double weight = RowWeight(call.Labels, call.Rows, call.IgnoreIndex, call.Reduction);
        ReferenceBuffers.Set(call.Loss, 0, total * weight);
    }

    public void Run(in SoftmaxCrossEntropyBackward call)
    {
        int* labels = call.Labels.Pointer<int>();
        IdCheck.Labels(SoftmaxCrossEntropyBackward.Op, "labels", labels, call.Rows, call.Classes,
            call.IgnoreIndex);
        double[] logits = ReferenceBuffers.Read(call.Logits);
        double scale = RowWeight(call.Labels, call.Rows, call.IgnoreIndex, call.Reduction);
        if (call.LossGradient.IsPresent) scale *= ReferenceBuffers.Get(call.LossGradient, 0);
        double elsewhere = call.LabelSmoothing / call.Classes;
        double atLabel = 1 - call.LabelSmoothing + elsewhere;
        for (int r = 0; r < call.Rows; r++)
        {
            bool ignored = labels[r] == call.IgnoreIndex;
            Span<double> row = logits.AsSpan(r * call.Classes, call.Classes);
            (double max, double sum) = MaxAndSum(row);
            for (int c = 0; c < row.Length; c++)
            {
                double target = c == labels[r] ? atLabel : elsewhere;
                row[c] = ignored ? 0 : scale * ((Math.Exp(row[c] - max) / sum) - target);
            }
        }

        ReferenceBuffers.Write(call.LogitsGradient, logits);
    }

    private static double RowLoss(
        ReadOnlySpan<double> row, double max, double logSum, int label, double smoothing)
    {
        // lse = max + logSum, kept apart: the differences from the maximum are exact where it is
        // large.
        double loss = (1 - smoothing) * (max - row[label] + logSum);
        if (smoothing == 0) return loss;
        double total = 0;
        foreach (double logit in row) total += max - logit + logSum;
        return loss + (smoothing * total / row.Length);
    }

    private static (double Max, double Sum) MaxAndSum(ReadOnlySpan<double> row)
    {
        double max = double.NegativeInfinity;
        foreach (double logit in row) max = Math.Max(max, logit);
        double sum = 0;
        foreach (double logit in row) sum += Math.Exp(logit - max);
        return (max, sum);
    }

    private static double RowWeight(
        BufferView labels, int rows, int? ignoreIndex, LossReduction reduction)
    {
        if (reduction == LossReduction.Sum) return 1;
        int counted = 0;
        for (int r = 0; r < rows; r++)
        {
            if (labels.Pointer<int>()[r] != ignoreIndex) counted++;
        }

        return counted == 0 ? 0 : 1.0 / counted;
    }
}
