using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// dX[r, c] = s·(a·exp(x[r, c] − lse[r]) − ε/C·w[c] − (1 − ε)·w[label]·[c = label]), class weights
/// w, a = (1 − ε)·w[label] + ε/C·Σ w, s = dLoss (/ Σ w[label] of the rows that count).
/// </summary>
/// <remarks>
/// Shapes: logits, dX [Rows, Classes]; w [Classes]; labels, logSumExp [Rows]; dLoss [1].
/// Work: a batch is 16 rows; a row belongs to one thread.
/// Bytes: logits read once, dX written once; one exponential for 8 bytes.
/// Numerics: the probabilities are recomputed from the log-sum-exp; ignored rows are 0.
/// Preconditions: a validated call on Float32 buffers; dX may be the logits.
/// Source: the chain rule; ε as in the forward kernel.
/// </remarks>
internal sealed unsafe class SoftmaxCrossEntropyBackwardSimd
    : IKernel<SoftmaxCrossEntropyBackward>
{
    public bool Supports(in SoftmaxCrossEntropyBackward call, out string? reason) =>
        SimdSupport.AllFloat32(out reason, ("logits", call.Logits),
            ("classWeights", call.ClassWeights), ("logSumExp", call.LogSumExp),
            ("lossGradient", call.LossGradient), ("logitsGradient", call.LogitsGradient));

    public void Run(in SoftmaxCrossEntropyBackward call)
    {
        IdCheck.Labels(
            SoftmaxCrossEntropyBackward.Op, "labels", call.Labels.Pointer<int>(), call.Rows,
            call.Classes, call.IgnoreIndex);
        SimdDispatch.Run(new SoftmaxCrossEntropyBackwardAction(call));
    }

    private readonly struct SoftmaxCrossEntropyBackwardAction(SoftmaxCrossEntropyBackward call)
        : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            int* labels = call.Labels.Pointer<int>();
            float* weights = call.ClassWeights.Pointer<float>();
            double counted = 0;
            for (int row = 0; row < call.Rows; row++)
            {
                if (labels[row] == call.IgnoreIndex) continue;
                counted += weights == null ? 1 : weights[labels[row]];
            }

            float scale = call.LossGradient.IsPresent ? *call.LossGradient.Pointer<float>() : 1;
            if (call.Reduction == LossReduction.Mean)
                scale = counted == 0 ? 0 : (float)(scale / counted);
            Work<T> work = new(in call, scale);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* logits, weights, logSumExp, gradient;
        private readonly int* labels;
        private readonly int rows, classes;
        private readonly float smoothing, spread, scale;
        private readonly int? ignoreIndex;

        public Work(in SoftmaxCrossEntropyBackward call, float lossScale)
        {
            logits = call.Logits.Pointer<float>();
            labels = call.Labels.Pointer<int>();
            weights = call.ClassWeights.Pointer<float>();
            logSumExp = call.LogSumExp.Pointer<float>();
            gradient = call.LogitsGradient.Pointer<float>();
            rows = call.Rows;
            classes = call.Classes;
            smoothing = (float)call.LabelSmoothing;
            spread = smoothing / classes * SoftmaxCrossEntropyWeights.Total(weights, classes);
            ignoreIndex = call.IgnoreIndex;
            scale = lossScale;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                float* dx = gradient + ((long)row * classes);
                if (labels[row] == ignoreIndex)
                {
                    new Span<float>(dx, classes).Clear();
                    continue;
                }

                int label = labels[row];
                float atLabel = (1 - smoothing) * (weights == null ? 1 : weights[label]);
                Row(logits + ((long)row * classes), dx, logSumExp[row], atLabel + spread);
                dx[label] -= scale * atLabel;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Row(float* x, float* dx, float lse, float factor)
        {
            float uniform = smoothing / classes;
            T l = T.Broadcast(lse), f = T.Broadcast(factor);
            T u = T.Broadcast(uniform), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= classes; i += T.Width)
            {
                T target = weights == null ? u : u * T.Load(weights + i);
                T.Store(
                    ((SimdMath.ExpNonPositive(T.Load(x + i) - l) * f) - target) * s, dx + i);
            }

            for (; i < classes; i++)
            {
                float target = weights == null ? uniform : uniform * weights[i];
                dx[i] = ((MathF.Exp(x[i] - lse) * factor) - target) * scale;
            }
        }
    }
}
