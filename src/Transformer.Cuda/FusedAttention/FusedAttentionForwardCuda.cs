using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>Launches native/FusedAttention/attention_hopper_forward.cu,
/// attention_tensor_forward.cu, attention_forward.cu and attention_scores.cu.</summary>
internal sealed class FusedAttentionForwardCuda(CudaQueue queue) : IKernel<AttentionForward>
{
    internal const uint Threads = 128;
    internal const int StateBytes = 4736, ScoreStride = 80, ChunkStride = 36, Tile = 64;
    internal const int OperandFloats = Tile * ChunkStride;
    private const int ValueFloats = 4096;
    private const int FewQueries = 8, FewRows = 8;

    private readonly AttentionHopper hopper = new(queue);

    // By a width of 64, 128 and 256.
    private readonly CudaKernel[] tensor =
    [
        queue.Kernel("attention_tensor_forward", "attention_tensor_forward_width_64"),
        queue.Kernel("attention_tensor_forward", "attention_tensor_forward_width_128"),
        queue.Kernel("attention_tensor_forward", "attention_tensor_forward_width_256"),
    ];

    // By 64, 128 and 256 columns of the values.
    private readonly CudaKernel[] manyRows = Named(queue, "64_rows");
    private readonly CudaKernel[] fewRows = Named(queue, "8_rows");
    private readonly CudaKernel merge =
        queue.Kernel("attention_forward", "attention_merge_splits");

    private readonly CudaKernel scores = queue.Kernel("attention_scores", "attention_scores");

    public bool Supports(in AttentionForward call, out string? reason)
    {
        AttentionSizes s = call.Inputs.Sizes;
        Int128 pairs = (Int128)s.Batch * s.QueryHeads * Math.Max(1, Tiles(s.QueryLength));
        reason = AttentionSupport.Reason(call.Inputs, call.Output) ??
            AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Float("scores", call.Scores) ??
            AttentionSupport.Blocks(call.Scores.IsPresent ? pairs * Tiles(s.KeyLength)
                : pairs * Math.Max(Slices(s.ValueDimension), FewQueries));
        return reason is null;
    }

    public void Run(in AttentionForward call)
    {
        AttentionSizes s = call.Inputs.Sizes;
        if (s.Batch == 0 || s.QueryLength == 0) return;
        bool needsSums = call.ScoreOutput == ScoreOutput.Probabilities && call.LogSumExp.IsAbsent;
        AttentionArgument argument = AttentionArgument.Of(call.Inputs, call.Output);
        using CudaScratch sums = queue.Rent(needsSums ? argument.Rows * sizeof(float) : 0);
        argument.LogSumExp = needsSums ? sums.Address : call.LogSumExp.Address;
        if (!hopper.TryRun(argument, call.Inputs)) Attend(argument, call.Inputs.Query.DType);
        if (call.Scores.IsAbsent || s.KeyLength == 0) return;
        argument.Scores = call.Scores.Address;
        argument.ScoresType = AttentionArgument.Type(call.Scores);
        argument.ScoreStage = (int)call.ScoreOutput;
        argument.Tiles = Tiles(s.QueryLength);
        scores.Launch(
            new((uint)(s.Batch * s.QueryHeads * argument.Tiles * Tiles(s.KeyLength)), Threads,
                StateBytes + (sizeof(float) * ((Tile * ScoreStride) + (2 * OperandFloats)))),
            argument);
    }

    /// <summary>⌈length / 64⌉.</summary>
    internal static int Tiles(int length) => AttentionArgument.Blocks(length, Tile);

    private void Attend(AttentionArgument argument, DType type)
    {
        if (AttentionTensorTiles.Forward(queue, argument, type) is { } tiles)
        {
            Launch(ref argument, tensor[tiles.Index], tiles.Rows, 1, tiles.SharedBytes);
            return;
        }

        int group = argument.QueryHeads / argument.KeyHeads;
        int rows = argument.QueryLength <= FewQueries && group * argument.QueryLength <= 16
            ? FewRows : Tile;
        int index = Columns(argument.ValueDimension);
        int bytes = SharedBytes(ref argument, rows);
        CudaKernel kernel = (rows == Tile ? manyRows : fewRows)[index];
        Launch(ref argument, kernel, rows, Slices(argument.ValueDimension), bytes);
    }

    private void Launch(
        ref AttentionArgument argument, CudaKernel kernel, int rows, int slices, int bytes)
    {
        bool few = argument.QueryLength <= FewQueries;
        if (few)
        {
            // The query heads of a key head lie in one block, which reads its keys once.
            argument.HeadsPerUnit = argument.QueryHeads / argument.KeyHeads;
            argument.Units = argument.KeyHeads;
        }

        argument.Slices = slices;
        argument.Tiles =
            AttentionArgument.Blocks(argument.HeadsPerUnit * argument.QueryLength, rows);
        long blocks = (long)argument.Tiles * argument.Slices * argument.Units * argument.Batch;
        if (few)
        {
            // As many as the device runs at a time.
            long wanted = (long)queue.Device.Multiprocessors *
                kernel.BlocksPerMultiprocessor(Threads, bytes);
            long splits = Math.Min(wanted / blocks, argument.KeyLength / 256);
            argument.Splits = (int)Math.Max(1, splits);
        }

        long partial = argument.Splits == 1 ? 0 : argument.Splits * argument.Rows;
        using CudaScratch outputs = queue.Rent(partial * argument.ValueDimension * sizeof(float));
        using CudaScratch sums = queue.Rent(partial * sizeof(float));
        argument.PartialOutputs = outputs.Address;
        argument.PartialSums = sums.Address;
        kernel.Launch(new((uint)(blocks * argument.Splits), Threads, bytes), argument);
        if (argument.Splits == 1) return;
        merge.Launch(
            new((uint)(argument.Batch * argument.QueryHeads * argument.QueryLength), Threads),
            argument);
    }

    // Queries stay in shared memory unless that keeps a second block off the multiprocessor.
    private int SharedBytes(ref AttentionArgument argument, int rows)
    {
        int stride = ((argument.HeadDimension + 7) / 8 * 8) + 4;
        int common = StateBytes + (sizeof(float) * ((rows * ScoreStride) + ValueFloats));
        long whole = common + ((long)sizeof(float) * rows * stride);
        int chunk = common + (sizeof(float) * rows * ChunkStride);
        int limit = queue.Device.SharedBytes;
        bool resident = whole <= limit / 2 || (chunk > limit / 2 && whole <= limit);
        argument.Resident = resident ? 1 : 0;
        return resident ? (int)whole : chunk;
    }

    // The kernel for so many columns of the values, and how many blocks share them.
    private static int Columns(int width) => width <= 64 ? 0 : width <= 128 ? 1 : 2;

    private static int Slices(int width) => AttentionArgument.Blocks(width, 64 << Columns(width));
    private static CudaKernel[] Named(CudaQueue queue, string rows) =>
    [
        queue.Kernel("attention_forward", $"attention_forward_{rows}_64_columns"),
        queue.Kernel("attention_forward", $"attention_forward_{rows}_128_columns"),
        queue.Kernel("attention_forward", $"attention_forward_{rows}_256_columns"),
    ];
}
