using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>sum = input + residual; output = sum·inverseRms ⊙ weight, row by row.</summary>
/// <remarks>
/// Shapes: input, residual, sum, output [Rows, Width]; weight [Width]; inverseRms [Rows];
/// contiguous.
/// Work: a batch is 16 rows; a row belongs to one thread, a vector to 16/8/4 columns of it.
/// Registers: four accumulators, to cover the latency of the multiply-add.
/// Bytes: input and residual read once, sum and output written once; the second pass over the row
/// hits L1 up to a width of about 8,000 and fetches the next row meanwhile. A result beyond 16 MiB
/// is stored past the caches. 5 operations for 8 to 16 bytes: bound by memory.
/// Numerics: binary32; squares of 4,096 elements at a time, added up in double. Where they leave
/// the range of binary32, for elements beyond 1e19 or, with a tiny ε, below 1e-19, they are made
/// anew in double.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel. The row being
/// normalised is kept in sum, or in output where sum is absent, so either may be the input itself.
/// Source: Zhang, Sennrich 2019.
/// </remarks>
internal sealed unsafe class RmsNormForwardSimd
    : RowKernel<RmsNormForward, RmsNormForwardRows>
{
    protected override void RunSingle(in RmsNormForward call) =>
        SimdDispatch.Run(new RmsNormForwardAction(call));

    private readonly struct RmsNormForwardAction(RmsNormForward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            Work<T> work = new(in call);
            CpuParallel.For(RowBatches.Count(call.Rows), ref work);
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* input, residual, weight, sum, output, inverseRms;
        private readonly int rows, width;
        private readonly double epsilon;

        // Below this sum, squares that vanished in binary32 count; ε may hide them.
        private readonly float fewest;
        private readonly bool streaming;

        public Work(in RmsNormForward call)
        {
            input = call.Input.Pointer<float>();
            residual = call.Residual.Pointer<float>();
            weight = call.Weight.Pointer<float>();
            sum = call.Sum.Pointer<float>();
            output = call.Output.Pointer<float>();
            inverseRms = call.InverseRms.Pointer<float>();
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

                double squares = 0;
                for (int start = 0; start < width; start += NormRows.SumLength)
                {
                    int count = Math.Min(NormRows.SumLength, width - start);
                    float part = Squares(x + start, count, in next, start);
                    squares += part >= fewest && part <= float.MaxValue
                        ? part : NormRows.Squares(x + start, count, 0);
                }

                float scale = (float)(1 / Math.Sqrt((squares / width) + epsilon));
                Normalise(x, scale, in next, output + offset);
                if (inverseRms != null) inverseRms[row] = scale;
            }

            if (streaming) SimdStream.Fence();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static float Squares(float* x, int count, in NextRow next, int start)
        {
            float* ahead = next.First;
            T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
            int i = 0;
            for (; i + (4 * T.Width) <= count; i += 4 * T.Width)
            {
                SimdStream.FetchFour<T>(ahead + next.At(start + i));
                T x0 = T.Load(x + i), x1 = T.Load(x + i + T.Width);
                T x2 = T.Load(x + i + (2 * T.Width)), x3 = T.Load(x + i + (3 * T.Width));
                s0 = T.MultiplyAdd(x0, x0, s0);
                s1 = T.MultiplyAdd(x1, x1, s1);
                s2 = T.MultiplyAdd(x2, x2, s2);
                s3 = T.MultiplyAdd(x3, x3, s3);
            }

            for (; i < count; i += T.Width)
            {
                T last = SimdTail.Load<T>(x + i, count - i);
                s0 = T.MultiplyAdd(last, last, s0);
            }

            return T.Sum((s0 + s1) + (s2 + s3));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Normalise(float* x, float scale, in NextRow next, float* result)
        {
            float* ahead = next.Second;
            T s = T.Broadcast(scale);
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(ahead + next.At(i));
                T value = T.Load(x + i) * s;
                if (weight != null) value *= T.Load(weight + i);
                SimdStream.Store(value, result + i, streaming);
            }

            for (; i < width; i++)
            {
                float value = x[i] * scale;
                result[i] = weight == null ? value : value * weight[i];
            }
        }
    }
}

/// <summary>Rows of <see cref="RmsNormForward"/>.</summary>
internal readonly struct RmsNormForwardRows : IRowCall<RmsNormForward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in RmsNormForward call) => call.Rows;

    public static RmsNormForward Part(
        in RmsNormForward call, ref RowStage stage) => call with
    {
        Rows = stage.Count,
        Input = stage.Read("input", call.Input),
        Residual = stage.Read("residual", call.Residual),
        Weight = stage.Shared("weight", call.Weight),
        Sum = stage.Write("sum", call.Sum),
        Output = stage.Write("output", call.Output),
        InverseRms = stage.Write("inverseRms", call.InverseRms),
    };
}
