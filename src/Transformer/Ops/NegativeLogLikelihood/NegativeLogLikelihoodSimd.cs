using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>loss[o, i] = −w[label]·p[o, label, i], label = labels[o, i], summed or averaged.
/// </summary>
/// <remarks>
/// Shapes: p [Outer, Classes, Inner]; labels and losses [Outer, Inner]; w [Classes]; loss [1].
/// Work: a batch is 4,096 labels. One element is picked for each: there is nothing to vectorise.
/// Bytes: 12 bytes a label, the picked element from a cache line of its own: bound by the latency
/// of memory.
/// Numerics: one product a label; batches are added up in double, in order, so that the sum does
/// not depend on the number of threads. A weight of 0 times −∞ is NaN, as IEEE 754 has it.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; labels are checked before
/// anything is written.
/// Source: the definition; NegativeLogLikelihoodLoss of ai.onnx, opset 22.
/// </remarks>
internal sealed unsafe class NegativeLogLikelihoodForwardSimd
    : IKernel<NegativeLogLikelihoodForward>
{
    public bool Supports(in NegativeLogLikelihoodForward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("logProbabilities", call.LogProbabilities),
            ("classWeights", call.ClassWeights), ("losses", call.Losses), ("loss", call.Loss));

    public void Run(in NegativeLogLikelihoodForward call)
    {
        NegativeLogLikelihoodChecks.Labels(call.Labels, call.Classes, call.IgnoreIndex);
        int batches = LabelBatches.Count(call.Labels.Length);
        using HostBlock scratch = HostMemory.Rent(2L * batches * sizeof(double));
        double* sums = scratch.Pointer<double>();
        Work work = new(call, sums);
        CpuParallel.For(batches, ref work);
        double total = 0, counted = 0;
        for (int batch = 0; batch < batches; batch++)
        {
            total += sums[2 * batch];
            counted += sums[(2 * batch) + 1];
        }

        if (call.Reduction == LossReduction.Mean)
            total = counted == 0 ? total * 0 : total / counted;
        FloatStorage.Set(call.Loss, 0, (float)total);
    }

    private readonly struct Work(NegativeLogLikelihoodForward call, double* sums) : IBatchWork
    {
        public void Run(int batch)
        {
            int* labels = call.Labels.Pointer<int>();
            double total = 0, counted = 0;
            (long first, long last) = LabelBatches.Range(batch, call.Labels.Length);
            for (long i = first; i < last; i++)
            {
                int label = labels[i];
                float loss = 0;
                if (label != call.IgnoreIndex)
                {
                    float weight = LabelBatches.Weight(call.ClassWeights, label);
                    long at = LabelBatches.At(i, label, call.Classes, call.Inner);
                    loss = -weight * FloatStorage.Get(call.LogProbabilities, at);
                    total += loss;
                    counted += weight;
                }

                if (call.Losses.IsPresent) FloatStorage.Set(call.Losses, i, loss);
            }

            sums[2 * batch] = total;
            sums[(2 * batch) + 1] = counted;
        }
    }
}

/// <summary>dP[o, c, i] = −dLoss·s·w[c] at c = labels[o, i], 0 elsewhere.</summary>
/// <remarks>
/// Shapes: dP [Outer, Classes, Inner]; labels [Outer, Inner]; w [Classes]; dLoss [1].
/// Work: dP is cleared with the widest stores, a batch being 256 KiB; then one thread visits the
/// labels.
/// Bytes: 4 bytes an element of dP written: bound by memory.
/// Numerics: one product a label; s is 1 or 1/Σ w[label], summed in double.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; labels are checked before
/// anything is written.
/// Source: the derivative of a product.
/// </remarks>
internal sealed unsafe class NegativeLogLikelihoodBackwardSimd
    : IKernel<NegativeLogLikelihoodBackward>
{
    public bool Supports(in NegativeLogLikelihoodBackward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("classWeights", call.ClassWeights),
            ("lossGradient", call.LossGradient),
            ("logProbabilitiesGradient", call.LogProbabilitiesGradient));

    public void Run(in NegativeLogLikelihoodBackward call)
    {
        NegativeLogLikelihoodChecks.Labels(call.Labels, call.Classes, call.IgnoreIndex);
        int* labels = call.Labels.Pointer<int>();
        BufferView gradient = call.LogProbabilitiesGradient;
        double counted = 0;
        for (long i = 0; i < call.Labels.Length; i++)
        {
            if (labels[i] == call.IgnoreIndex) continue;
            counted += LabelBatches.Weight(call.ClassWeights, labels[i]);
        }

        double scale = call.LossGradient.IsPresent ? FloatStorage.Get(call.LossGradient, 0) : 1;
        if (call.Reduction == LossReduction.Mean) scale = counted == 0 ? 0 : scale / counted;
        Clearing clearing =
            new((byte*)gradient.Address, gradient.Length * gradient.DType.Size());
        CpuParallel.For(clearing.Batches, ref clearing);
        for (long i = 0; i < call.Labels.Length; i++)
        {
            int label = labels[i];
            if (label == call.IgnoreIndex) continue;
            FloatStorage.Set(gradient, LabelBatches.At(i, label, call.Classes, call.Inner),
                (float)-scale * LabelBatches.Weight(call.ClassWeights, label));
        }
    }

    private readonly struct Clearing(byte* first, long bytes) : IBatchWork
    {
        private const int BatchBytes = 1 << 18;

        public int Batches => checked((int)((bytes + BatchBytes - 1) / BatchBytes));

        public void Run(int batch)
        {
            long start = (long)batch * BatchBytes;
            NativeMemory.Clear(first + start, (nuint)Math.Min(BatchBytes, bytes - start));
        }
    }
}

/// <summary>Cuts labels into batches by their number alone.</summary>
internal static class LabelBatches
{
    private const int LabelsPerBatch = 4096;

    public static int Count(long labels) =>
        checked((int)((labels + LabelsPerBatch - 1) / LabelsPerBatch));

    public static (long First, long Last) Range(int batch, long labels) =>
        ((long)batch * LabelsPerBatch, Math.Min(labels, (batch + 1L) * LabelsPerBatch));

    /// <summary>w[label]; 1 where there are no weights.</summary>
    public static float Weight(BufferView weights, int label) =>
        weights.IsAbsent ? 1 : FloatStorage.Get(weights, label);

    /// <summary>Where [o, label, i] lies in [Outer, Classes, Inner], index being [o, i].</summary>
    public static long At(long index, int label, int classes, int inner)
    {
        (long outer, long rest) = Math.DivRem(index, inner);
        return (((outer * classes) + label) * inner) + rest;
    }
}
