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
/// Registers: four accumulators for each sum, to cover the latency of the add.
/// Bytes: input and residual read once, sum and output written once; the two later passes over
/// the row hit L1 up to a width of about 8,000. 10 operations for 8 to 16 bytes: bound by memory.
/// Numerics: binary32. The first pass finds a center c, the mean but for rounding; the second sums
/// d = x − c, which is exact where the mean is large, and d². The variance is avg(d²) − avg(d)²;
/// c and avg(d) are subtracted apart, so that the output keeps the digits that the rounded mean has
/// lost. The mean is c + avg(d), or what the first pass found where the spread is larger: there all
/// d are rounded the same way. Sums of 4,096 elements at a time, added up in double.
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
        private readonly double epsilon;

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
            epsilon = call.EffectiveEpsilon;
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
                    NormRows.Add<T>(x, residual == null ? null : residual + offset, width, kept);
                    x = kept;
                }

                double average = Total(x) / width;
                float center = (float)average;
                (double shift, double variance) = Moments(x, center);
                float scale = (float)(1 / Math.Sqrt(variance + epsilon));
                Normalise(x, center, (float)shift, scale, output + offset);
                if (inverseStd != null) inverseStd[row] = scale;
                if (mean == null) continue;
                bool isLarge = (double)center * center > variance;
                mean[row] = (float)(isLarge ? center + shift : average);
            }
        }

        private double Total(float* x)
        {
            double total = 0;
            for (int start = 0; start < width; start += NormRows.SumLength)
                total += Total(x + start, Math.Min(NormRows.SumLength, width - start));
            return total;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Total(float* x, int count)
        {
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= count; i += 4 * T.Width)
            {
                s0 += T.Load(x + i);
                s1 += T.Load(x + i + T.Width);
                s2 += T.Load(x + i + (2 * T.Width));
                s3 += T.Load(x + i + (3 * T.Width));
            }

            for (; i < count; i += T.Width) s0 += SimdTail.Load<T>(x + i, count - i);
            return T.Sum((s0 + s1) + (s2 + s3));
        }

        /// <summary>What the mean is off the center, and the variance about the mean.</summary>
        private (double Shift, double Variance) Moments(float* x, float center)
        {
            double total = 0, squares = 0;
            for (int start = 0; start < width; start += NormRows.SumLength)
            {
                (float partTotal, float partSquares) = Distances(
                    x + start, Math.Min(NormRows.SumLength, width - start), center);
                total += partTotal;
                squares += partSquares;
            }

            double shift = total / width;
            return (shift, Math.Max(0, (squares / width) - (shift * shift)));
        }

        /// <summary>Σ (x − center) and Σ (x − center)².</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static (float Total, float Squares) Distances(float* x, int count, float center)
        {
            T c = T.Broadcast(center);
            T t0 = T.Zero, t1 = T.Zero, t2 = T.Zero, t3 = T.Zero;
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= count; i += 4 * T.Width)
            {
                T d0 = T.Load(x + i) - c;
                T d1 = T.Load(x + i + T.Width) - c;
                T d2 = T.Load(x + i + (2 * T.Width)) - c;
                T d3 = T.Load(x + i + (3 * T.Width)) - c;
                t0 += d0;
                t1 += d1;
                t2 += d2;
                t3 += d3;
                s0 = T.MultiplyAdd(d0, d0, s0);
                s1 = T.MultiplyAdd(d1, d1, s1);
                s2 = T.MultiplyAdd(d2, d2, s2);
                s3 = T.MultiplyAdd(d3, d3, s3);
            }

            for (; i + T.Width <= count; i += T.Width)
            {
                T d = T.Load(x + i) - c;
                t0 += d;
                s0 = T.MultiplyAdd(d, d, s0);
            }

            float tailTotal = 0, tailSquares = 0;
            for (; i < count; i++)
            {
                tailTotal += x[i] - center;
                tailSquares += (x[i] - center) * (x[i] - center);
            }

            return (T.Sum((t0 + t1) + (t2 + t3)) + tailTotal,
                T.Sum((s0 + s1) + (s2 + s3)) + tailSquares);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Normalise(float* x, float center, float shift, float scale, float* result)
        {
            T c = T.Broadcast(center), h = T.Broadcast(shift), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                T value = (T.Load(x + i) - c - h) * s;
                if (weight != null) value *= T.Load(weight + i);
                if (bias != null) value += T.Load(bias + i);
                T.Store(value, result + i);
            }

            for (; i < width; i++)
            {
                float value = (x[i] - center - shift) * scale;
                if (weight != null) value *= weight[i];
                if (bias != null) value += bias[i];
                result[i] = value;
            }
        }
    }
}
