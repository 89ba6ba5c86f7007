using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// dX[r, c] = s·(exp(x[r, c] − lse[r]) − ε/C − (1 − ε)·[c = label]), s = dLoss (/ counted rows).
/// </summary>
/// <remarks>
/// Shapes: logits, dX [Rows, Classes]; labels, logSumExp [Rows]; dLoss [1].
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
        SimdSupport.AllFloat32(
            out reason, call.Logits, call.LogSumExp, call.LossGradient, call.LogitsGradient);

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
            long counted = 0;
            for (int row = 0; row < call.Rows; row++)
            {
                if (labels[row] != call.IgnoreIndex) counted++;
            }

            float scale = call.LossGradient.IsPresent ? *call.LossGradient.Pointer<float>() : 1;
            if (call.Reduction == LossReduction.Mean && counted > 0) scale /= counted;
            Work<T> work = new(in call, scale);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* logits, logSumExp, gradient;
        private readonly int* labels;
        private readonly int rows, classes;
        private readonly float smoothing, scale;
        private readonly int? ignoreIndex;

        public Work(in SoftmaxCrossEntropyBackward call, float lossScale)
        {
            logits = call.Logits.Pointer<float>();
            labels = call.Labels.Pointer<int>();
            logSumExp = call.LogSumExp.Pointer<float>();
            gradient = call.LogitsGradient.Pointer<float>();
            rows = call.Rows;
            classes = call.Classes;
            smoothing = (float)call.LabelSmoothing;
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

                Row(logits + ((long)row * classes), dx, logSumExp[row]);
                dx[labels[row]] -= scale * (1 - smoothing);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Row(float* x, float* dx, float lse)
        {
            float uniform = smoothing / classes;
            T l = T.Broadcast(lse), u = T.Broadcast(uniform), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= classes; i += T.Width)
            {
                T.Store((SimdMath.ExpNonPositive(T.Load(x + i) - l) - u) * s, dx + i);
            }

            for (; i < classes; i++) dx[i] = (MathF.Exp(x[i] - lse) - uniform) * scale;
        }
    }
}
