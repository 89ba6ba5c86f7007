using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// With x = logits[r], m its maximum, n[c] = (m − x[c]) + ln Σ exp(x − m) and class weights w:
/// loss[r] = (1 − ε)·w[label]·n[label] + ε/C·Σ w[c]·n[c].
/// </summary>
/// <remarks>
/// Shapes: logits [Rows, Classes]; w [Classes]; labels, rowLosses, logSumExp [Rows]; loss [1].
/// Work: a batch is 16 rows; a row belongs to one thread.
/// Registers: two accumulators each for the sum of exponentials and of weighted distances m − x.
/// Bytes: a row is read for its maximum and again, from L1 or L2, for its sums; one exponential for
/// 4 bytes: bound by arithmetic in cache, by memory beyond.
/// Numerics: float lanes, row losses reduced in double in order of rows, whatever the number of
/// threads. Distances from the maximum, not logits, make the loss: they are exact where logits are
/// large and close. Logits of −∞ have weight 0.
/// Preconditions: a validated call on Float32 buffers; labels are checked before anything is
/// written.
/// Source: Szegedy et al. 2016 §7 (label smoothing), in PyTorch's form.
/// </remarks>
internal sealed unsafe class SoftmaxCrossEntropyForwardSimd : IKernel<SoftmaxCrossEntropyForward>
{
    public bool Supports(in SoftmaxCrossEntropyForward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("logits", call.Logits),
            ("classWeights", call.ClassWeights), ("rowLosses", call.RowLosses),
            ("logSumExp", call.LogSumExp), ("loss", call.Loss));

    public void Run(in SoftmaxCrossEntropyForward call)
    {
        IdCheck.Labels(
            SoftmaxCrossEntropyForward.Op, "labels", call.Labels.Pointer<int>(), call.Rows,
            call.Classes, call.IgnoreIndex);
        SimdDispatch.Run(new SoftmaxCrossEntropyForwardAction(call));
    }

    private readonly struct SoftmaxCrossEntropyForwardAction(SoftmaxCrossEntropyForward call)
        : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            using HostBlock scratch = HostMemory.Rent((long)call.Rows * sizeof(float));
            float* weights = call.ClassWeights.Pointer<float>();
            Work<T> work = new(in call, scratch.Pointer<float>());
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
            int* labels = call.Labels.Pointer<int>();
            float* rowLosses = work.RowLosses;
            double total = 0;
            double counted = 0;
            for (int row = 0; row < call.Rows; row++)
            {
                if (labels[row] == call.IgnoreIndex) continue;
                total += rowLosses[row];
                counted += weights == null ? 1 : weights[labels[row]];
            }

            if (call.Reduction == LossReduction.Mean) total = counted == 0 ? 0 : total / counted;
            *call.Loss.Pointer<float>() = (float)total;
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        public readonly float* RowLosses;
        private readonly float* logits, weights, logSumExp;
        private readonly int* labels;
        private readonly int rows, classes;
        private readonly float smoothing, weightTotal;
        private readonly int? ignoreIndex;

        public Work(in SoftmaxCrossEntropyForward call, float* scratch)
        {
            logits = call.Logits.Pointer<float>();
            labels = call.Labels.Pointer<int>();
            weights = call.ClassWeights.Pointer<float>();
            weightTotal = SoftmaxCrossEntropyWeights.Total(weights, call.Classes);
            logSumExp = call.LogSumExp.Pointer<float>();
            RowLosses = call.RowLosses.IsPresent ? call.RowLosses.Pointer<float>() : scratch;
            rows = call.Rows;
            classes = call.Classes;
            smoothing = (float)call.LabelSmoothing;
            ignoreIndex = call.IgnoreIndex;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                float* x = logits + ((long)row * classes);
                float maximum = Maximum(x);
                (float exponentials, float distances) = Sums(x, maximum);
                float logSum = MathF.Log(exponentials);
                logSumExp[row] = maximum + logSum;
                if (labels[row] == ignoreIndex)
                {
                    RowLosses[row] = 0;
                    continue;
                }

                int label = labels[row];
                float loss = maximum - x[label] + logSum;
                if (weights != null) loss *= weights[label];
                if (smoothing != 0)
                {
                    float spread = (distances + (weightTotal * logSum)) / classes;
                    loss = ((1 - smoothing) * loss) + (smoothing * spread);
                }

                RowLosses[row] = loss;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private float Maximum(float* x)
        {
            float maximum = float.NegativeInfinity;
            int i = 0;
            if (classes >= T.Width)
            {
                T lanes = T.Load(x);
                for (i = T.Width; i + T.Width <= classes; i += T.Width)
                {
                    lanes = T.Max(lanes, T.Load(x + i));
                }

                maximum = T.MaxAcross(lanes);
            }

            for (; i < classes; i++) maximum = MathF.Max(maximum, x[i]);
            return maximum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private (float Exponentials, float Distances) Sums(float* x, float maximum)
        {
            T m = T.Broadcast(maximum);
            T e0 = T.Zero, e1 = T.Zero, t0 = T.Zero, t1 = T.Zero;
            int i = 0;
            for (; i + (2 * T.Width) <= classes; i += 2 * T.Width)
            {
                T a = T.Load(x + i) - m, b = T.Load(x + i + T.Width) - m;
                e0 += SimdMath.ExpNonPositive(a);
                e1 += SimdMath.ExpNonPositive(b);
                if (weights != null)
                {
                    a *= T.Load(weights + i);
                    b *= T.Load(weights + i + T.Width);
                }

                t0 += a;
                t1 += b;
            }

            float tailExponentials = 0, tailTotal = 0;
            for (; i < classes; i++)
            {
                float difference = x[i] - maximum;
                tailExponentials += MathF.Exp(difference);
                tailTotal += weights == null ? difference : difference * weights[i];
            }

            return (T.Sum(e0 + e1) + tailExponentials, -(T.Sum(t0 + t1) + tailTotal));
        }
    }
}

/// <summary>Sums over the class weights.</summary>
internal static unsafe class SoftmaxCrossEntropyWeights
{
    /// <summary>Σ w, which is the number of classes where there are no weights.</summary>
    public static float Total(float* weights, int classes)
    {
        if (weights == null) return classes;
        double total = 0;
        for (int c = 0; c < classes; c++) total += weights[c];
        return (float)total;
    }
}
