using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// x̂ = (sum − mean)·inverseStd, g = dY ⊙ weight,
/// dX = inverseStd·(g − avg(g) − x̂·avg(g ⊙ x̂)) + dSum; dWeight += Σ dY ⊙ x̂; dBias += Σ dY.
/// </summary>
/// <remarks>
/// Shapes: sum, dY, dSum, dX [Rows, Width]; weight, dWeight, dBias [Width]; mean, inverseStd
/// [Rows].
/// Work: a batch is 16 rows; a row belongs to one thread. Each batch sums dWeight and dBias in
/// its own scratch; these are added up in order of batches afterwards, so results do not depend on
/// the number of threads.
/// Registers: the sums of g and of g ⊙ x̂; dWeight and dBias are added to in L1.
/// Memory: [2, Width] floats a batch.
/// Bytes: sum and dY read once from memory (the second pass hits L1 and fetches the next
/// row meanwhile), dX written once, past the caches where it is larger than 16 MiB; about 15
/// operations for 12 to 16 bytes: bound by memory.
/// Numerics: binary32; parameter gradients are added to what their buffers hold.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel; dX may be dY or
/// dSum, for the first pass reads a row fully before the second writes.
/// Source: the chain rule through mean and variance; Ba, Kiros, Hinton 2016.
/// </remarks>
internal sealed unsafe class LayerNormBackwardSimd
    : RowKernel<LayerNormBackward, LayerNormBackwardRows>
{
    protected override void RunSingle(in LayerNormBackward call) =>
        SimdDispatch.Run(new LayerNormBackwardAction(call));

    private readonly struct LayerNormBackwardAction(LayerNormBackward call) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            int batches = RowBatches.Count(call.Rows);
            long partial = 2L * call.Width;
            using HostBlock scratch = HostMemory.Rent(batches * partial * sizeof(float));
            Work<T> work = new(in call, scratch.Pointer<float>());
            CpuParallel.For(batches, ref work);
            float* dWeight = call.WeightGradient.Pointer<float>();
            float* dBias = call.BiasGradient.Pointer<float>();
            for (int batch = 0; batch < batches; batch++)
            {
                float* sums = scratch.Pointer<float>() + (batch * partial);
                if (dWeight != null) NormRows.Accumulate<T>(sums, call.Width, dWeight);
                if (dBias != null) NormRows.Accumulate<T>(sums + call.Width, call.Width, dBias);
            }
        }
    }

    private readonly struct Work<T> : IBatchWork where T : struct, ISimdFloat<T>
    {
        private readonly float* sum, weight, mean, inverseStd, dy, dsum, dx, partials;
        private readonly int rows, width;
        private readonly bool streaming;

        public Work(in LayerNormBackward call, float* scratch)
        {
            sum = call.Sum.Pointer<float>();
            weight = call.Weight.Pointer<float>();
            mean = call.Mean.Pointer<float>();
            inverseStd = call.InverseStd.Pointer<float>();
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
            float* dWeight = partials + (batch * 2L * width);
            float* dBias = dWeight + width;
            new Span<float>(dWeight, 2 * width).Clear();
            (int first, int last) = RowBatches.Range(batch, rows);
            for (int row = first; row < last; row++)
            {
                long offset = (long)row * width;
                (float gradientTotal, float projection) = Reduce(row, offset, dWeight, dBias);
                WriteInputGradient(
                    row, offset, gradientTotal / width, projection / width, row + 1 < last);
            }

            if (streaming) SimdStream.Fence();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private (float GradientTotal, float Projection) Reduce(
            int row, long offset, float* dWeight, float* dBias)
        {
            float center = mean[row], scale = inverseStd[row];
            T c = T.Broadcast(center), s = T.Broadcast(scale);
            T total = T.Zero, projection = T.Zero;
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                if (dsum != null) SimdStream.Fetch(dsum + offset + i);
                T gradient = T.Load(dy + offset + i);
                T normal = (T.Load(sum + offset + i) - c) * s;
                T.Store(T.MultiplyAdd(gradient, normal, T.Load(dWeight + i)), dWeight + i);
                T.Store(gradient + T.Load(dBias + i), dBias + i);
                if (weight != null) gradient *= T.Load(weight + i);
                total += gradient;
                projection = T.MultiplyAdd(gradient, normal, projection);
            }

            float tailTotal = 0, tailProjection = 0;
            for (; i < width; i++)
            {
                float gradient = dy[offset + i];
                float normal = (sum[offset + i] - center) * scale;
                dWeight[i] += gradient * normal;
                dBias[i] += gradient;
                if (weight != null) gradient *= weight[i];
                tailTotal += gradient;
                tailProjection += gradient * normal;
            }

            return (T.Sum(total) + tailTotal, T.Sum(projection) + tailProjection);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void WriteInputGradient(
            int row, long offset, float average, float projection, bool more)
        {
            float center = mean[row], scale = inverseStd[row];
            T c = T.Broadcast(center), s = T.Broadcast(scale);
            T a = T.Broadcast(average), p = T.Broadcast(projection);
            long next = more ? offset + width : offset;
            int i = 0;
            for (; i + T.Width <= width; i += T.Width)
            {
                SimdStream.Fetch(dy + next + i);
                SimdStream.Fetch(sum + next + i);
                T gradient = T.Load(dy + offset + i);
                T normal = (T.Load(sum + offset + i) - c) * s;
                if (weight != null) gradient *= T.Load(weight + i);
                T value = (gradient - a - (normal * p)) * s;
                if (dsum != null) value += T.Load(dsum + offset + i);
                SimdStream.Store(value, dx + offset + i, streaming);
            }

            for (; i < width; i++)
            {
                float gradient = dy[offset + i];
                float normal = (sum[offset + i] - center) * scale;
                if (weight != null) gradient *= weight[i];
                float value = (gradient - average - (normal * projection)) * scale;
                dx[offset + i] = dsum == null ? value : value + dsum[offset + i];
            }
        }
    }
}

/// <summary>Rows of <see cref="LayerNormBackward"/>.</summary>
internal readonly struct LayerNormBackwardRows : IRowCall<LayerNormBackward>
{
    public static int MostRows => RowBatches.RowsPerBatch;

    public static long Rows(in LayerNormBackward call) => call.Rows;

    public static LayerNormBackward Part(
        in LayerNormBackward call, ref RowStage stage) => call with
    {
        Rows = stage.Count,
        Sum = stage.Read("sum", call.Sum),
        Weight = stage.Shared("weight", call.Weight),
        Mean = stage.Read("mean", call.Mean),
        InverseStd = stage.Read("inverseStd", call.InverseStd),
        OutputGradient = stage.Read("outputGradient", call.OutputGradient),
        SumGradient = stage.Read("sumGradient", call.SumGradient),
        InputGradient = stage.Write("inputGradient", call.InputGradient),
        WeightGradient = stage.Total("weightGradient", call.WeightGradient),
        BiasGradient = stage.Total("biasGradient", call.BiasGradient),
    };
}
