using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// sum = input + residual; output = (sum − mean)·inverseStd ⊙ weight + bias, row by row.
/// </summary>
/// <remarks>
/// Shapes: input, residual, sum, output [Rows, Width]; weight, bias [Width]; contiguous.
/// Work: a batch is 16 rows; a row belongs to one thread, a vector to 16/8/4 columns of it.
/// Registers: four accumulators a pass, to cover the latency of the add.
/// Bytes: input and residual read once, sum and output written once; the two later passes over
/// the row hit L1 up to a width of about 8,000. 8 operations for 8 to 16 bytes: bound by memory.
/// Numerics: two passes, mean first, then the squared distance from it; float accumulators.
/// Preconditions: a validated call on Float32 buffers. The row being normalised is kept in sum, or
/// in output where sum is absent, so either may be the input itself.
/// Source: Ba, Kiros, Hinton 2016.
/// </remarks>
internal sealed unsafe class LayerNormForwardSimd : IKernel<LayerNormForward>
{
    public bool Supports(in LayerNormForward call, out string? reason) =>
        SimdSupport.AllFloat32(
            out reason, call.Input, call.Residual, call.Weight, call.Bias, call.Sum, call.Output,
            call.Mean, call.InverseStd);

    public void Run(in LayerNormForward call) =>
        SimdDispatch.Run(new LayerNormForwardAction(call));

    private readonly struct LayerNormForwardAction(LayerNormForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(in call);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* input, residual, weight, bias, sum, output, mean, inverseStd;
        private readonly int rows, width;
        private readonly float epsilon;

        public Work(in LayerNormForward call)
        {
            input = call.Input.Pointer<float>();
            residual = call.Residual.Pointer<float>();
            weight = call.Weight.Pointer<float>();
            bias = call.Bias.Pointer<float>();
            sum = call.Sum.Pointer<float>();
            output = call.Output.Pointer<float>();
            mean = call.Mean.Pointer<float>();
            inverseStd = call.InverseStd.Pointer<float>();
            rows = call.Rows;
            width = call.Width;
            epsilon = (float)call.EffectiveEpsilon;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                long offset = (long)row * width;
                float* x = input + offset;
                if (residual != null || sum != null)
                {
                    float* kept = (sum != null ? sum : output) + offset;
                    Add(x, residual == null ? null : residual + offset, kept);
                    x = kept;
                }

                float rowMean = Total(x, 0) / width;
                float variance = SquaredDistance(x, rowMean) / width;
                float scale = 1f / MathF.Sqrt(variance + epsilon);
                Normalise(x, rowMean, scale, output + offset);
                if (mean != null) mean[row] = rowMean;
                if (inverseStd != null) inverseStd[row] = scale;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Add(float* a, float* b, float* result)
        {
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                T value = T.Load(a + i);
                T.Store(b == null ? value : value + T.Load(b + i), result + i);
            }

            if (i < width)
            {
                T value = T.LoadPartial(a + i, width - i);
                if (b != null) value += T.LoadPartial(b + i, width - i);
                T.StorePartial(value, result + i, width - i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private float Total(float* x, int i)
        {
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            for (; i + (4 * T.Width) <= width; i += 4 * T.Width)
            {
                s0 += T.Load(x + i);
                s1 += T.Load(x + i + T.Width);
                s2 += T.Load(x + i + (2 * T.Width));
                s3 += T.Load(x + i + (3 * T.Width));
            }

            for (; i + T.Width <= width; i += T.Width) s0 += T.Load(x + i);
            if (i < width) s1 += T.LoadPartial(x + i, width - i);
            return T.Sum((s0 + s1) + (s2 + s3));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private float SquaredDistance(float* x, float center)
        {
            T c = T.Broadcast(center);
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= width; i += 4 * T.Width)
            {
                T d0 = T.Load(x + i) - c;
                T d1 = T.Load(x + i + T.Width) - c;
                T d2 = T.Load(x + i + (2 * T.Width)) - c;
                T d3 = T.Load(x + i + (3 * T.Width)) - c;
                s0 = T.MultiplyAdd(d0, d0, s0);
                s1 = T.MultiplyAdd(d1, d1, s1);
                s2 = T.MultiplyAdd(d2, d2, s2);
                s3 = T.MultiplyAdd(d3, d3, s3);
            }

            for (; i + T.Width <= width; i += T.Width)
            {
                T d = T.Load(x + i) - c;
                s0 = T.MultiplyAdd(d, d, s0);
            }

            float tail = 0;
            for (; i < width; i++) tail += (x[i] - center) * (x[i] - center);
            return T.Sum((s0 + s1) + (s2 + s3)) + tail;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Normalise(float* x, float center, float scale, float* result)
        {
            T c = T.Broadcast(center), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                T value = (T.Load(x + i) - c) * s;
                if (weight != null) value *= T.Load(weight + i);
                if (bias != null) value += T.Load(bias + i);
                T.Store(value, result + i);
            }

            for (; i < width; i++)
            {
                float value = (x[i] - center) * scale;
                if (weight != null) value *= weight[i];
                if (bias != null) value += bias[i];
                result[i] = value;
            }
        }
    }
}
