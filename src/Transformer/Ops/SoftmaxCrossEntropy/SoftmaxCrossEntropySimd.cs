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
/// Registers: two accumulators each for maximum and sum of exponentials.
/// Memory: a block of 4,096 floats on the stack where logits take 16 bits; row losses and class
/// weights in binary32.
/// Bytes: a row is read once, in blocks: a block's sums come from L1 while the next block is
/// fetched. One exponential for 4 bytes or 2: bound by arithmetic.
/// Numerics: float lanes; what earlier blocks have summed moves to a greater maximum by one factor
/// or a non-negative term; row losses reduced in double in order of rows, whatever the number of
/// threads. Distances from the maximum, not logits, make the loss: they are exact where logits are
/// large and close. Logits of −∞ have weight 0.
/// Preconditions: a validated call, Float32, Float16 or BFloat16 each; labels are checked before
/// anything is written.
/// Source: Szegedy et al. 2016 §7 (label smoothing), in PyTorch's form.
/// </remarks>
internal sealed unsafe class SoftmaxCrossEntropyForwardSimd : IKernel<SoftmaxCrossEntropyForward>
{
    public bool Supports(in SoftmaxCrossEntropyForward call, out string? reason) =>
        SimdSupport.AllStorage(out reason, ("logits", call.Logits),
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
            using HostBlock scratch = HostMemory.Rent(
                (FloatStorage.CopyFloats(call.ClassWeights) + call.Rows) * sizeof(float));
            float* weights = FloatStorage.Single(call.ClassWeights, scratch.Pointer<float>());
            float* rowLosses = call.RowLosses.IsPresent && call.RowLosses.DType == DType.Float32
                ? call.RowLosses.Pointer<float>()
                : scratch.Pointer<float>() + FloatStorage.CopyFloats(call.ClassWeights);
            Work<T> work = new(in call, weights, rowLosses);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
            int* labels = call.Labels.Pointer<int>();
            double total = 0;
            double counted = 0;
            for (int row = 0; row < call.Rows; row++)
            {
                if (labels[row] == call.IgnoreIndex) continue;
                total += rowLosses[row];
                counted += weights == null ? 1 : weights[labels[row]];
            }

            if (call.Reduction == LossReduction.Mean) total = counted == 0 ? 0 : total / counted;
            FloatStorage.Set(call.Loss, 0, (float)total);
            if (call.RowLosses.IsAbsent || call.RowLosses.DType == DType.Float32) return;
            FloatStorage.Narrow(
                call.RowLosses.DType, rowLosses, (void*)call.RowLosses.Address, call.Rows);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        // 16 KiB: half of a first-level cache.
        private const int BlockLength = 4096;

        private readonly BufferView logits, logSumExp;
        private readonly float* weights, rowLosses;
        private readonly int* labels;
        private readonly int rows, classes;
        private readonly float smoothing, weightTotal;
        private readonly int? ignoreIndex;

        public Work(in SoftmaxCrossEntropyForward call, float* classWeights, float* losses)
        {
            logits = call.Logits;
            labels = call.Labels.Pointer<int>();
            weights = classWeights;
            weightTotal = SoftmaxCrossEntropyWeights.Total(weights, call.Classes);
            logSumExp = call.LogSumExp;
            rowLosses = losses;
            rows = call.Rows;
            classes = call.Classes;
            smoothing = (float)call.LabelSmoothing;
            ignoreIndex = call.IgnoreIndex;
        }

        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            float* copy = stackalloc float[BlockLength];
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                BufferView x = logits.Slice((long)row * classes, classes);
                (float maximum, float exponentials, float distances) = Reduce(x, copy);
                float logSum = MathF.Log(exponentials);
                FloatStorage.Set(logSumExp, row, maximum + logSum);
                if (labels[row] == ignoreIndex)
                {
                    rowLosses[row] = 0;
                    continue;
                }

                int label = labels[row];
                float loss = maximum - FloatStorage.Get(x, label) + logSum;
                if (weights != null) loss *= weights[label];
                if (smoothing != 0)
                {
                    float spread = (distances + (weightTotal * logSum)) / classes;
                    loss = ((1 - smoothing) * loss) + (smoothing * spread);
                }

                rowLosses[row] = loss;
            }
        }

        /// <summary>The row's maximum, Σ exp(x − maximum) and, for smoothing, Σ w·(maximum − x).
        /// </summary>
        /// <remarks>The row is read from memory once: a block's maximum is found as it comes in,
        /// its sums are taken from the first-level cache. Where a later block has a greater
        /// maximum, the sums so far move to it; distances only grow by that: nothing cancels.
        /// </remarks>
        private (float Maximum, float Exponentials, float Distances) Reduce(
            BufferView row, float* copy)
        {
            int size = row.DType.Size();
            float maximum = float.NegativeInfinity, exponentials = 0, distances = 0, passed = 0;
            for (int start = 0; start < classes; start += BlockLength)
            {
                int count = Math.Min(BlockLength, classes - start);
                float* w = weights == null ? null : weights + start;
                float* x = FloatStorage.Single(row.Slice(start, count), copy);
                float highest = MathF.Max(maximum, Maximum(x, count));
                if (maximum < highest && start > 0)
                {
                    distances += passed * (highest - maximum);
                    exponentials *= MathF.Exp(maximum - highest);
                }

                maximum = highest;
                // A block of hidden classes alone has no maximum to subtract; a row of them has no
                // answer.
                if (maximum == float.NegativeInfinity && start + count < classes)
                {
                    passed += SoftmaxCrossEntropyWeights.Total(w, count);
                    continue;
                }

                byte* next = (byte*)row.Address + ((long)(start + count) * size);
                exponentials += Exponentials(x, count, maximum, next, size);
                if (smoothing == 0) continue;
                distances += Distances(x, w, count, maximum);
                passed += SoftmaxCrossEntropyWeights.Total(w, count);
            }

            return (maximum, exponentials, distances);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Maximum(float* x, int count)
        {
            T m0 = T.Broadcast(float.NegativeInfinity), m1 = m0;
            int i = 0;
            for (; i + (2 * T.Width) <= count; i += 2 * T.Width)
            {
                m0 = T.Max(m0, T.Load(x + i));
                m1 = T.Max(m1, T.Load(x + i + T.Width));
            }

            float maximum = T.MaxAcross(T.Max(m0, m1));
            for (; i < count; i++) maximum = MathF.Max(maximum, x[i]);
            return maximum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Exponentials(
            float* x, int count, float maximum, byte* next, int size)
        {
            T m = T.Broadcast(maximum);
            T e0 = T.Zero, e1 = T.Zero;
            int i = 0;
            for (; i + (2 * T.Width) <= count; i += 2 * T.Width)
            {
                // The next block comes in while this one keeps the arithmetic busy.
                SimdStream.Fetch((float*)(next + ((nint)i * size)));
                if (T.Width > 8) SimdStream.Fetch((float*)(next + ((nint)(i + T.Width) * size)));
                e0 += SimdMath.ExpNonPositive(T.Load(x + i) - m);
                e1 += SimdMath.ExpNonPositive(T.Load(x + i + T.Width) - m);
            }

            float tail = 0;
            for (; i < count; i++) tail += MathF.Exp(x[i] - maximum);
            return T.Sum(e0 + e1) + tail;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Distances(float* x, float* w, int count, float maximum)
        {
            T m = T.Broadcast(maximum), t0 = T.Zero;
            int i = 0;
            for (; i + T.Width <= count; i += T.Width)
            {
                T distance = m - T.Load(x + i);
                t0 += w == null ? distance : distance * T.Load(w + i);
            }

            float tail = 0;
            for (; i < count; i++)
                tail += w == null ? maximum - x[i] : (maximum - x[i]) * w[i];
            return T.Sum(t0) + tail;
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
