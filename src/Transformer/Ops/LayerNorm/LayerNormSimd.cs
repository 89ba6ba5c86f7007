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
/// the row hit L1 up to a width of about 8,000 and fetch the next row meanwhile. A result beyond
/// 16 MiB is stored past the caches. 9 operations for 8 to 16 bytes: bound by memory.
/// Numerics: binary32 where |mean| ≤ the standard deviation and Width ≤ 4,096, as after any layer.
/// Else the mean is summed in double and split into a binary32 center and the rest; x − center is
/// exact where the mean is large, and the rest is subtracted apart, so that the output keeps the
/// digits that a rounded mean has lost. Squares of 4,096 differences at a time are summed in
/// binary32, these sums in double; where they leave the range of binary32, for differences beyond
/// 1e19 or, with a tiny ε, below 1e-19, they are made anew in double.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel. The row being
/// normalised is kept in sum, or in output where sum is absent, so either may be the input itself.
/// Source: Ba, Kiros, Hinton 2016.
/// </remarks>
internal sealed unsafe class LayerNormForwardSimd
    : RowKernel<LayerNormForward, LayerNormForwardRows>
{
    protected override void RunSingle(in LayerNormForward call) =>
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

        // Below this sum, squares that vanished in binary32 count; ε may hide them.
        private readonly float fewest;
        private readonly bool streaming;

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
            fewest = NormRows.FewestSquares(epsilon);
            streaming = SimdStream.Pays(output, rows, width);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                long offset = (long)row * width;
                float* x = input + offset;
                NextRow next = new(
                    x, residual == null ? null : residual + offset, width, row + 1 < last);
                if (residual != null || sum != null)
                {
                    float* kept = (sum != null ? sum : output) + offset;
                    NormRows.Add<T>(x, residual == null ? null : residual + offset, width, kept);
                    x = kept;
                }

                if (!Usual(x, in next, out float center, out float shift, out float scale))
                    Exact(x, in next, out center, out shift, out scale);
                Normalise(x, center, shift, scale, in next, output + offset);
                if (mean != null) mean[row] = center;
                if (inverseStd != null) inverseStd[row] = scale;
            }

            if (streaming) SimdStream.Fence();
        }

        /// <summary>The moments in binary32; false where they would lose digits.</summary>
        private bool Usual(
            float* x, in NextRow next, out float center, out float shift, out float scale)
        {
            center = shift = scale = 0;
            if (width > NormRows.SumLength) return false;
            center = Total(x) / width;
            float squares = Squares(x, width, center, in next, 0);
            float variance = squares / width;
            scale = 1f / MathF.Sqrt(variance + (float)epsilon);
            return squares >= fewest && squares <= float.MaxValue && center * center <= variance;
        }

        /// <summary>The moments in double; the mean is center + shift.</summary>
        private void Exact(
            float* x, in NextRow next, out float center, out float shift, out float scale)
        {
            double average = NormRows.Total(x, width) / width;
            center = (float)average;
            double rest = average - center;
            double variance = (Squares(x, center, in next) / width) - (rest * rest);
            shift = (float)rest;
            scale = (float)(1 / Math.Sqrt(Math.Max(0, variance) + epsilon));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private float Total(float* x)
        {
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= width; i += 4 * T.Width)
            {
                s0 += T.Load(x + i);
                s1 += T.Load(x + i + T.Width);
                s2 += T.Load(x + i + (2 * T.Width));
                s3 += T.Load(x + i + (3 * T.Width));
            }

            for (; i + T.Width <= width; i += T.Width) s0 += T.Load(x + i);
            float tail = 0;
            for (; i < width; i++) tail += x[i];
            return T.Sum((s0 + s1) + (s2 + s3)) + tail;
        }

        /// <summary>Σ (x − center)² of a row.</summary>
        private double Squares(float* x, float center, in NextRow next)
        {
            double squares = 0;
            for (int start = 0; start < width; start += NormRows.SumLength)
            {
                int count = Math.Min(NormRows.SumLength, width - start);
                float part = Squares(x + start, count, center, in next, start);
                squares += part >= fewest && part <= float.MaxValue
                    ? part : NormRows.Squares(x + start, count, center);
            }

            return squares;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Squares(float* x, int count, float center, in NextRow next, int start)
        {
            T c = T.Broadcast(center);
            float* ahead = next.First;
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= count; i += 4 * T.Width)
            {
                SimdStream.FetchFour<T>(ahead + next.At(start + i));
                T d0 = T.Load(x + i) - c;
                T d1 = T.Load(x + i + T.Width) - c;
                T d2 = T.Load(x + i + (2 * T.Width)) - c;
                T d3 = T.Load(x + i + (3 * T.Width)) - c;
                s0 = T.MultiplyAdd(d0, d0, s0);
                s1 = T.MultiplyAdd(d1, d1, s1);
                s2 = T.MultiplyAdd(d2, d2, s2);
                s3 = T.MultiplyAdd(d3, d3, s3);
            }

            for (; i + T.Width <= count; i += T.Width)
            {
                T d = T.Load(x + i) - c;
                s0 = T.MultiplyAdd(d, d, s0);
            }

            float tail = 0;
            for (; i < count; i++) tail += (x[i] - center) * (x[i] - center);
            return T.Sum((s0 + s1) + (s2 + s3)) + tail;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Normalise(
            float* x, float center, float shift, float scale, in NextRow next, float* result)
        {
            float* ahead = next.Second;
            T c = T.Broadcast(center), h = T.Broadcast(shift), s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(ahead + next.At(i));
                T value = (T.Load(x + i) - c - h) * s;
                if (weight != null) value *= T.Load(weight + i);
                if (bias != null) value += T.Load(bias + i);
                SimdStream.Store(value, result + i, streaming);
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

/// <summary>Rows of <see cref="LayerNormForward"/>.</summary>
internal readonly struct LayerNormForwardRows : IRowCall<LayerNormForward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in LayerNormForward call) => call.Rows;

    public static LayerNormForward Part(
        in LayerNormForward call, ref RowStage stage) => call with
    {
        Rows = stage.Count,
        Input = stage.Read("input", call.Input),
        Residual = stage.Read("residual", call.Residual),
        Weight = stage.Shared("weight", call.Weight),
        Bias = stage.Shared("bias", call.Bias),
        Sum = stage.Write("sum", call.Sum),
        Output = stage.Write("output", call.Output),
        Mean = stage.Write("mean", call.Mean),
        InverseStd = stage.Write("inverseStd", call.InverseStd),
    };
}
