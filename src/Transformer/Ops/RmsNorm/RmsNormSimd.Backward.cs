using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// x̂ = sum·inverseRms, g = dY ⊙ weight, dX = inverseRms·(g − x̂·avg(g ⊙ x̂)) + dSum;
/// dWeight += Σ dY ⊙ x̂.
/// </summary>
/// <remarks>
/// Shapes: sum, dY, dSum, dX [Rows, Width]; weight, dWeight [Width]; inverseRms [Rows].
/// Work: a batch is 16 rows; a row belongs to one thread. Each batch sums dWeight in its own
/// scratch; these are added up in order of batches afterwards, so results do not depend on the
/// number of threads.
/// Registers: the sum of g ⊙ x̂; dWeight is added to in L1.
/// Memory: [Width] floats a batch.
/// Bytes: sum and dY read once from memory (the second pass hits L1 and fetches the next
/// row meanwhile), dX written once, past the caches where it is larger than 16 MiB; about 10
/// operations for 12 to 16 bytes: bound by memory.
/// Numerics: binary32; the weight's gradient is added to what its buffer holds.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel; dX may be dY or
/// dSum, for the first pass reads a row fully before the second writes.
/// Source: the chain rule through the mean square; Zhang, Sennrich 2019.
/// </remarks>
internal sealed unsafe class RmsNormBackwardSimd
    : RowKernel<RmsNormBackward, RmsNormBackwardRows>
{
    protected override void RunSingle(in RmsNormBackward call) =>
        SimdDispatch.Run(new RmsNormBackwardAction(call));

    private readonly struct RmsNormBackwardAction(RmsNormBackward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            int batches = RowBatches.Count(call.Rows);
            using HostBlock scratch =
                HostMemory.Rent((long)batches * call.Width * sizeof(float));
            Work<T> work = new(in call, scratch.Pointer<float>());
            CpuParallel.For(batches, ref work);
            float* dWeight = call.WeightGradient.Pointer<float>();
            if (dWeight == null) return;
            for (int batch = 0; batch < batches; batch++)
            {
                NormRows.Accumulate<T>(
                    scratch.Pointer<float>() + ((long)batch * call.Width), call.Width, dWeight);
            }
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* sum, weight, inverseRms, dy, dsum, dx, partials;
        private readonly int rows, width;
        private readonly bool streaming;

        public Work(in RmsNormBackward call, float* scratch)
        {
            sum = call.Sum.Pointer<float>();
            weight = call.Weight.Pointer<float>();
            inverseRms = call.InverseRms.Pointer<float>();
            dy = call.OutputGradient.Pointer<float>();
            dsum = call.SumGradient.Pointer<float>();
            dx = call.InputGradient.Pointer<float>();
            partials = scratch;
            rows = call.Rows;
            width = call.Width;
            streaming = dx != dy && dx != dsum && SimdStream.Pays(dx, rows, width);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            float* dWeight = partials + ((long)batch * width);
            new Span<float>(dWeight, width).Clear();
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                long offset = (long)row * width;
                float projection = Reduce(offset, inverseRms[row], dWeight) / width;
                WriteInputGradient(offset, inverseRms[row], projection, row + 1 < last);
            }

            if (streaming) SimdStream.Fence();
        }

        /// <summary>dWeight += dY ⊙ x̂; returns Σ g ⊙ x̂.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private float Reduce(long offset, float scale, float* dWeight)
        {
            T s = T.Broadcast(scale), projection = T.Zero;
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                if (dsum != null) SimdStream.Fetch(dsum + offset + i);
                T product = T.Load(dy + offset + i) * (T.Load(sum + offset + i) * s);
                T.Store(T.Load(dWeight + i) + product, dWeight + i);
                projection = weight == null
                    ? projection + product
                    : T.MultiplyAdd(product, T.Load(weight + i), projection);
            }

            float tail = 0;
            for (; i < width; i++)
            {
                float product = dy[offset + i] * (sum[offset + i] * scale);
                dWeight[i] += product;
                tail += weight == null ? product : product * weight[i];
            }

            return T.Sum(projection) + tail;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void WriteInputGradient(
            long offset, float scale, float projection, bool more)
        {
            T s = T.Broadcast(scale), p = T.Broadcast(projection);
            long next = more ? offset + width : offset;
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(dy + next + i);
                SimdStream.Fetch(sum + next + i);
                T gradient = T.Load(dy + offset + i);
                T normal = T.Load(sum + offset + i) * s;
                if (weight != null) gradient *= T.Load(weight + i);
                T value = (gradient - (normal * p)) * s;
                if (dsum != null) value += T.Load(dsum + offset + i);
                SimdStream.Store(value, dx + offset + i, streaming);
            }

            for (; i < width; i++)
            {
                float gradient = dy[offset + i];
                if (weight != null) gradient *= weight[i];
                float value = (gradient - (sum[offset + i] * scale * projection)) * scale;
                dx[offset + i] = dsum == null ? value : value + dsum[offset + i];
            }
        }
    }
}

/// <summary>Rows of <see cref="RmsNormBackward"/>.</summary>
internal readonly struct RmsNormBackwardRows : IRowCall<RmsNormBackward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in RmsNormBackward call) => call.Rows;

    public static RmsNormBackward Part(
        in RmsNormBackward call, ref RowStage stage) => call with
    {
        Rows = stage.Count,
        Sum = stage.Read("sum", call.Sum),
        Weight = stage.Shared("weight", call.Weight),
        InverseRms = stage.Read("inverseRms", call.InverseRms),
        OutputGradient = stage.Read("outputGradient", call.OutputGradient),
        SumGradient = stage.Read("sumGradient", call.SumGradient),
        InputGradient = stage.Write("inputGradient", call.InputGradient),
        WeightGradient = stage.Total("weightGradient", call.WeightGradient),
    };
}
