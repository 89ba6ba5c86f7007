using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>The backward kernels for one element type and one score modifier.</summary>
internal sealed class AttentionBackwardLauncher<T, TStorage, TScore>(
    KernelQueue queue, AttentionTables tables) : IBackward<TScore>
    where T : unmanaged where TStorage : struct, IStorage<T>
    where TScore : struct, IDifferentiableScoreModifier
{
    private const int MostThreads = AttentionBackwardPlan.MostThreads;

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> deltas =
        new(queue, AttentionBackwardKernels.Deltas<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> query =
        new(queue, AttentionBackwardKernels.QueryGradient<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> key =
        new(queue, AttentionBackwardKernels.KeyGradient<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> bias =
        new(queue, AttentionSums.ThreadPerBias<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> relative =
        new(queue, AttentionSums.GroupPerBucket<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionBackwardArgument<T, TScore>> sink =
        new(queue, AttentionSums.GroupPerSink<T, TScore>);

    public void Launch(in AttentionBackward call, TScore score)
    {
        AttentionSizes s = call.Inputs.Sizes;
        AttentionBackwardArgument<T, TScore> argument = Argue(call, score);
        long rows = argument.Attention.Rows;
        using Scratch sums = rows == 0 ? default : queue.Rent(rows * sizeof(float));
        argument.Deltas = queue.Floats(sums, rows);
        int threads = queue.Limits.Threads(MostThreads);
        long places = (long)s.Batch * s.QueryHeads * s.QueryLength;
        deltas.Launch(new((places + threads - 1) / threads, threads), in argument);

        AttentionBackwardPlan plan = AttentionBackwardPlan.Of(queue.Limits, s);
        argument.Attention.RowTile = plan.Tiling.Rows;
        argument.Attention.KeyTile = plan.Tiling.Keys;
        argument.Attention.Tiles = plan.QueryTiles;
        query.Launch(new(plan.QueryGroups, threads, plan.SharedFloats), in argument);
        key.Launch(new(plan.KeyGroups, threads, plan.SharedFloats), in argument);
        if (call.BiasGradient.IsPresent && argument.BiasKeys > 0)
        {
            long elements = (long)argument.BiasBatches * argument.BiasHeads *
                argument.BiasQueries * argument.BiasKeys;
            bias.Launch(new((elements + threads - 1) / threads, threads), in argument);
        }

        int floats = GroupSum.SharedFloats(threads, queue.Limits.WarpSize);
        if (call.RelativeBiasGradient.IsPresent)
            relative.Launch(
                new(call.RelativeBiasGradient.Length, threads, floats), in argument);
        if (call.SinkGradient.IsPresent)
            sink.Launch(new(s.QueryHeads, threads, floats), in argument);
    }

    private AttentionBackwardArgument<T, TScore> Argue(
        in AttentionBackward call, TScore score)
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes s = inputs.Sizes;
        AttentionArgument<T> attention =
            AttentionArguments.Of<T>(queue, inputs, call.Output, tables.Thresholds(inputs));
        attention.Terms.HidesKeys = TScore.HidesKeys ? 1 : 0;
        attention.LogSumExp = queue.View<float>(call.LogSumExp);
        AttentionMaskLayout layout = inputs.BiasLayout;
        return new()
        {
            Attention = attention,
            Score = score,
            OutputGradient = queue.View<T>(call.OutputGradient),
            QueryGradient = queue.View<T>(call.QueryGradient),
            KeyGradient = queue.View<T>(call.KeyGradient),
            ValueGradient = queue.View<T>(call.ValueGradient),
            BiasGradient = AttentionArguments.Any(queue, call.BiasGradient),
            RelativeGradient = AttentionArguments.Any(queue, call.RelativeBiasGradient),
            SinkGradient = AttentionArguments.Any(queue, call.SinkGradient),
            OutputGradientAligned = AttentionArguments.Aligned(
                call.OutputGradient, inputs.EffectiveOutputStrides, s.ValueDimension),
            QueryGradientAligned = AttentionArguments.Aligned(
                call.QueryGradient, inputs.EffectiveQueryStrides, s.HeadDimension),
            KeyGradientAligned = AttentionArguments.Aligned(
                call.KeyGradient, inputs.EffectiveKeyStrides, s.HeadDimension),
            ValueGradientAligned = AttentionArguments.Aligned(
                call.ValueGradient, inputs.EffectiveValueStrides, s.ValueDimension),
            BiasBatches = layout.Batch == 0 ? 1 : s.Batch,
            BiasHeads = layout.Head == 0 ? 1 : s.QueryHeads,
            BiasQueries = layout.Query == 0 ? 1 : s.QueryLength,
            BiasKeys = layout.KeyCount,
        };
    }
}
