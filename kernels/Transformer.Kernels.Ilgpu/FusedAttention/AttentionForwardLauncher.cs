using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>The forward kernels for one element type and one score modifier.</summary>
internal sealed class AttentionForwardLauncher<T, TStorage, TScore>(
    KernelQueue queue, AttentionTables tables) : IForward<TScore>
    where T : unmanaged where TStorage : struct, IStorage<T>
    where TScore : struct, IScoreModifier
{
    private const int MostThreads = AttentionForwardPlan.MostThreads;

    private readonly DeviceKernel<AttentionForwardArgument<T, TScore>> tiles =
        new(queue, AttentionForwardKernel.GroupPerTile<T, TStorage, TScore>);

    private readonly DeviceKernel<AttentionArgument<T>> merge =
        new(queue, AttentionFinish.MergeSplits<T, TStorage>);

    private readonly DeviceKernel<AttentionScoresArgument<T, TScore>> scores =
        new(queue, AttentionScoresKernel.GroupPerQuery<T, TStorage, TScore>);

    public void Launch(in AttentionForward call, TScore score)
    {
        AttentionSizes s = call.Inputs.Sizes;
        bool needsSums = call.ScoreOutput == ScoreOutput.Probabilities && call.LogSumExp.IsAbsent;
        AttentionArgument<T> argument = AttentionArguments.Of<T>(
            queue, call.Inputs, call.Output, tables.Thresholds(call.Inputs));
        argument.Terms.HidesKeys = TScore.HidesKeys ? 1 : 0;
        using Scratch sums = needsSums ? queue.Rent(argument.Rows * sizeof(float)) : default;
        argument.LogSumExp = needsSums
            ? queue.Floats(sums, argument.Rows) : queue.View<float>(call.LogSumExp);
        Attend(argument, s, score);
        if (call.Scores.IsAbsent || s.KeyLength == 0) return;
        AttentionScoresArgument<T, TScore> wanted = new()
        {
            Attention = argument,
            Score = score,
            Scores = AttentionArguments.Any(queue, call.Scores),
            Stage = (int)call.ScoreOutput,
        };
        scores.Launch(
            new((long)s.Batch * s.QueryHeads * s.QueryLength,
                queue.Limits.Threads(MostThreads)),
            in wanted);
    }

    private void Attend(AttentionArgument<T> argument, AttentionSizes s, TScore score)
    {
        AttentionForwardPlan plan = AttentionForwardPlan.Of(queue.Limits, s);
        argument.HeadsPerUnit = plan.HeadsPerUnit;
        argument.Units = plan.Units;
        argument.RowTile = plan.Tiling.Rows;
        argument.KeyTile = plan.Tiling.Keys;
        argument.Tiles = plan.Tiles;
        argument.Splits = plan.Splits;
        long partial = plan.Splits == 1 ? 0 : plan.Splits * argument.Rows;
        using Scratch outputs = Rent(partial * s.ValueDimension), sums = Rent(partial);
        argument.PartialOutputs = queue.Floats(outputs, partial * s.ValueDimension);
        argument.PartialSums = queue.Floats(sums, partial);
        int items = plan.Tiling.Rows / 4 * Math.Max(plan.Tiling.Keys, s.ValueDimension) / 4;
        tiles.Launch(
            new(plan.Groups, queue.Limits.Threads(Math.Min(items, MostThreads)),
                plan.SharedFloats),
            new() { Attention = argument, Score = score });
        if (plan.Splits == 1) return;
        merge.Launch(
            new((long)s.Batch * s.QueryHeads * s.QueryLength, queue.Limits.Threads(MostThreads)),
            in argument);
    }

    private Scratch Rent(long floats) =>
        floats == 0 ? default : queue.Rent(floats * sizeof(float));
}
