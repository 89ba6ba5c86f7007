using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// dX[r, c] = s·(a·exp(x[r, c] − lse[r]) − ε/C·w[c] − (1 − ε)·w[label]·[c = label]), class weights
/// w, a = (1 − ε)·w[label] + ε/C·Σ w, s = dLoss (/ Σ w[label] of the rows that count).
/// </summary>
/// <remarks>
/// Shapes: logits, dX [Rows, Classes]; w [Classes]; labels, logSumExp [Rows]; dLoss [1].
/// Work: a batch is 16 rows; a row belongs to one thread.
/// Memory: 2,048 floats of copies on the stack where logits or dX take 16 bits; class weights in
/// binary32.
/// Bytes: logits read once, dX written once; one exponential for 8 bytes or 4.
/// Numerics: the probabilities are recomputed from the log-sum-exp; ignored rows are 0.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; dX may be the logits.
/// Source: the chain rule; ε as in the forward kernel.
/// </remarks>
internal sealed unsafe class SoftmaxCrossEntropyBackwardSimd
    : IKernel<SoftmaxCrossEntropyBackward>
{
    public bool Supports(in SoftmaxCrossEntropyBackward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("logits", call.Logits),
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
            using HostBlock scratch = HostMemory.Rent(
                FloatStorage.CopyFloats(call.ClassWeights) * sizeof(float));
            float* weights = FloatStorage.Single(call.ClassWeights, scratch.Pointer<float>());
            double counted = 0;
            for (int row = 0; row < call.Rows; row++)
            {
                if (labels[row] == call.IgnoreIndex) continue;
                counted += weights == null ? 1 : weights[labels[row]];
            }

            float scale = call.LossGradient.IsPresent ? FloatStorage.Get(call.LossGradient, 0) : 1;
            if (call.Reduction == LossReduction.Mean)
                scale = counted == 0 ? 0 : (float)(scale / counted);
            Work<T> work = new(in call, weights, scale);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private const int PieceLength = 2048;

        private readonly BufferView logits, logSumExp, gradient;
        private readonly float* weights;
        private readonly int* labels;
        private readonly int rows, classes;
        private readonly float smoothing, spread, scale;
        private readonly int? ignoreIndex;

        public Work(in SoftmaxCrossEntropyBackward call, float* classWeights, float lossScale)
        {
            logits = call.Logits;
            labels = call.Labels.Pointer<int>();
            weights = classWeights;
            logSumExp = call.LogSumExp;
            gradient = call.LogitsGradient;
            rows = call.Rows;
            classes = call.Classes;
            smoothing = (float)call.LabelSmoothing;
            spread = smoothing / classes * SoftmaxCrossEntropyWeights.Total(weights, classes);
            ignoreIndex = call.IgnoreIndex;
            scale = lossScale;
        }

        [SkipLocalsInit]
        public void Run(int batch)
        {
            float* copy = stackalloc float[PieceLength];
            (int first, int last) = RowBatches.Range(batch, rows);
            bool single = logits.DType == DType.Float32 && gradient.DType == DType.Float32;
            int piece = single ? classes : PieceLength;
            for (int row = first; row < last; row++)
            {
                BufferView dx = gradient.Slice((long)row * classes, classes);
                if (labels[row] == ignoreIndex)
                {
                    new Span<byte>((void*)dx.Address, classes * dx.DType.Size()).Clear();
                    continue;
                }

                float atLabel = (1 - smoothing) * (weights == null ? 1 : weights[labels[row]]);
                BufferView x = logits.Slice((long)row * classes, classes);
                float lse = FloatStorage.Get(logSumExp, row);
                for (int start = 0; start < classes; start += piece)
                {
                    int count = Math.Min(piece, classes - start);
                    Piece(x.Slice(start, count), start, labels[row], lse, atLabel, copy,
                        dx.Slice(start, count));
                }
            }
        }

        private void Piece(
            BufferView logits, int start, int label, float lse, float atLabel, float* copy,
            BufferView gradient)
        {
            int count = (int)gradient.Length;
            float* x = FloatStorage.Single(logits, copy);
            float* dx = gradient.DType == DType.Float32 ? gradient.Pointer<float>() : copy;
            Row(x, start, count, dx, lse, atLabel + spread);
            if (label >= start && label < start + count) dx[label - start] -= scale * atLabel;
            if (dx == copy)
                FloatStorage.Narrow(gradient.DType, dx, (void*)gradient.Address, count);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Row(float* x, int start, int count, float* dx, float lse, float factor)
        {
            float* w = weights == null ? null : weights + start;
            float uniform = smoothing / classes;
            T l = T.Broadcast(lse), f = T.Broadcast(factor);
            T u = T.Broadcast(uniform), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= count; i += T.Width)
            {
                T target = w == null ? u : u * T.Load(w + i);
                T.Store(
                    ((SimdMath.ExpNonPositive(T.Load(x + i) - l) * f) - target) * s, dx + i);
            }

            for (; i < count; i++)
            {
                float target = w == null ? uniform : uniform * w[i];
                dx[i] = ((MathF.Exp(x[i] - lse) * factor) - target) * scale;
            }
        }
    }
}
