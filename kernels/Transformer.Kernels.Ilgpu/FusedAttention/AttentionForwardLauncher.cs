using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>The forward kernels for one element type and one score modifier.</summary>
internal sealed class AttentionForwardLauncher<T, TStorage, TScore>(KernelQueue queue)
    : IForward<TScore>
    where T : unmanaged where TStorage : struct, IStorage<T>
    where TScore : struct, IScoreModifier
{
    private const int MostThreads = 128, FewQueries = 8, GroupsPerMultiprocessor = 8;
    private const int LeastKeysOfSplit = 256;

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
        using AttentionTables tables = new(queue, call.Inputs);
        AttentionArgument<T> argument =
            AttentionArguments.Of<T>(queue, call.Inputs, call.Output, tables.Thresholds);
        argument.Terms.HidesKeys = TScore.HidesKeys ? 1 : 0;
        using MemoryBlock? sums =
            needsSums ? queue.Rent(argument.Rows * sizeof(float)) : null;
        argument.LogSumExp = needsSums
            ? queue.Floats(sums, argument.Rows) : queue.View<float>(call.LogSumExp);
        Attend(argument, score);
        if (call.Scores.IsAbsent || s.KeyLength == 0) return;
        AttentionScoresArgument<T, TScore> wanted = new()
        {
            Attention = argument,
            Score = score,
            Scores = AttentionArguments.Any(queue, call.Scores),
            Stage = (int)call.ScoreOutput,
        };
        scores.Launch(
            new(s.Batch * s.QueryHeads * s.QueryLength, queue.Limits.Threads(MostThreads)),
            in wanted);
    }

    private void Attend(AttentionArgument<T> argument, TScore score)
    {
        int queries = argument.Places.QueryLength;
        if (queries <= FewQueries)
        {
            // The query heads of a key head lie in one group, which reads its keys once.
            argument.HeadsPerUnit = argument.QueryHeads / argument.KeyHeads;
            argument.Units = argument.KeyHeads;
        }

        int head = argument.HeadDimension, value = argument.ValueDimension;
        AttentionTiling tiling = AttentionTiling.Of(queue.Limits, argument.HeadsPerUnit * queries,
            (r, k) => AttentionForwardKernel.SharedFloats(r, k, head, value));
        argument.RowTile = tiling.Rows;
        argument.KeyTile = tiling.Keys;
        argument.Tiles = ((argument.HeadsPerUnit * queries) + tiling.Rows - 1) / tiling.Rows;
        int groups = argument.Tiles * argument.Units * argument.Batch;
        if (queries <= FewQueries)
        {
            int wanted = queue.Limits.Multiprocessors * GroupsPerMultiprocessor / groups;
            argument.Splits =
                Math.Clamp(argument.Places.KeyLength / LeastKeysOfSplit, 1, Math.Max(1, wanted));
        }

        long partial = argument.Splits == 1 ? 0 : argument.Splits * argument.Rows;
        using MemoryBlock? outputs = Rent(partial * value), sums = Rent(partial);
        argument.PartialOutputs = queue.Floats(outputs, partial * value);
        argument.PartialSums = queue.Floats(sums, partial);
        int shared = AttentionForwardKernel.SharedFloats(tiling.Rows, tiling.Keys, head, value);
        int items = tiling.Rows / 4 * Math.Max(tiling.Keys, value) / 4;
        tiles.Launch(
            new(groups * argument.Splits, queue.Limits.Threads(Math.Min(items, MostThreads)),
                shared),
            new() { Attention = argument, Score = score });
        if (argument.Splits == 1) return;
        merge.Launch(
            new(argument.Batch * argument.QueryHeads * queries, queue.Limits.Threads(MostThreads)),
            in argument);
    }

    private MemoryBlock? Rent(long floats) =>
        floats == 0 ? null : queue.Rent(floats * sizeof(float));
}
