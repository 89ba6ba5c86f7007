using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Memory;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>Launches native/FusedAttention/attention_tensor_backward.cu, attention_backward.cu and
/// attention_sums.cu.</summary>
internal sealed class FusedAttentionBackwardCuda(CudaQueue queue) : IKernel<AttentionBackward>
{
    private const uint Threads = FusedAttentionForwardCuda.Threads;
    private const int Tile = FusedAttentionForwardCuda.Tile;

    private const int SharedBytes = FusedAttentionForwardCuda.StateBytes + (sizeof(float) * 2 *
        ((Tile * FusedAttentionForwardCuda.ScoreStride) + FusedAttentionForwardCuda.OperandFloats));

    // For each thread a row's place and 32 numbers each, one apart, of output and gradient.
    private const int DeltaBytes = (int)Threads * (sizeof(long) + (2 * 33 * sizeof(float)));

    // Diagonals of a tile, and their buckets.
    private const int DiagonalFloats = 256;

    private readonly CudaKernel deltas = Named(queue, "attention_backward", "deltas");
    private readonly CudaKernel[] query =
    [
        Named(queue, "attention_backward", "query_gradient_64_columns"),
        Named(queue, "attention_backward", "query_gradient_128_columns"),
        Named(queue, "attention_backward", "query_gradient_256_columns"),
    ];

    private readonly CudaKernel[] key =
    [
        Named(queue, "attention_backward", "key_gradient_64_columns"),
        Named(queue, "attention_backward", "key_gradient_128_columns"),
    ];

    private readonly CudaKernel[] tensorQuery = Tensor(queue, "query");
    private readonly CudaKernel[] tensorKey = Tensor(queue, "key");

    private readonly CudaKernel bias = Named(queue, "attention_sums", "bias_gradient");
    private readonly CudaKernel bucketSums = Named(queue, "attention_sums", "bucket_sums");
    private readonly CudaKernel relative =
        queue.Kernel("attention_sums", "attention_relative_gradient");

    private readonly CudaKernel sinks =
        queue.Kernel("attention_sums", "attention_sink_gradient");

    public bool Supports(in AttentionBackward call, out string? reason)
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes s = inputs.Sizes;
        reason = AttentionSupport.Reason(inputs, call.Output);
        if (reason is not null) return false;
        if (!CudaTypes.Same(out reason, ("query", inputs.Query),
            ("outputGradient", call.OutputGradient), ("queryGradient", call.QueryGradient),
            ("keyGradient", call.KeyGradient), ("valueGradient", call.ValueGradient)))
        {
            return false;
        }

        Int128 slices = Slices(Math.Max(s.HeadDimension, s.ValueDimension), 128);
        Int128 tiles = Math.Max(FusedAttentionForwardCuda.Tiles(s.QueryLength),
            FusedAttentionForwardCuda.Tiles(s.KeyLength));
        Int128 heads = (Int128)s.Batch * s.QueryHeads;
        reason = AttentionSupport.Single("logSumExp", call.LogSumExp) ??
            AttentionSupport.Float("biasGradient", call.BiasGradient) ??
            AttentionSupport.Float("relativeBiasGradient", call.RelativeBiasGradient) ??
            AttentionSupport.Float("sinkGradient", call.SinkGradient) ??
            AttentionSupport.Blocks(heads * Int128.Max(tiles * slices, call.BiasGradient.IsPresent
                ? tiles * tiles : s.QueryLength));
        return reason is null;
    }

    public void Run(in AttentionBackward call)
    {
        AttentionSizes s = call.Inputs.Sizes;
        if (s.Batch == 0 || (s.QueryLength == 0 && s.KeyLength == 0)) return;
        AttentionArgument argument = Argument(call);
        using CudaScratch delta = queue.Rent(argument.Rows * sizeof(float));
        argument.Deltas = delta.Address;
        long rows = (long)s.Batch * s.QueryHeads * s.QueryLength;
        deltas.Launch(
            new((uint)((rows + Threads - 1) / Threads), Threads, DeltaBytes), argument);
        DType type = call.Inputs.Query.DType;
        QueryGradient(argument, type);
        KeyGradients(argument, type);
        if (call.BiasGradient.IsPresent) BiasGradient(argument);
        if (call.RelativeBiasGradient.IsPresent) RelativeGradient(argument);
        if (call.SinkGradient.IsPresent)
        {
            const int bytes = (int)Threads / 32 * sizeof(float);
            sinks.Launch(new((uint)s.QueryHeads, Threads, bytes), argument);
        }
    }

    private static AttentionArgument Argument(in AttentionBackward call)
    {
        AttentionArgument argument = AttentionArgument.Of(call.Inputs, call.Output);
        AttentionSizes s = call.Inputs.Sizes;
        argument.LogSumExp = call.LogSumExp.Address;
        argument.OutputGradient = call.OutputGradient.Address;
        argument.QueryGradient = call.QueryGradient.Address;
        argument.KeyGradient = call.KeyGradient.Address;
        argument.ValueGradient = call.ValueGradient.Address;
        argument.BiasGradient = call.BiasGradient.Address;
        argument.RelativeGradient = call.RelativeBiasGradient.Address;
        argument.SinkGradient = call.SinkGradient.Address;
        argument.BiasGradientType = AttentionArgument.Type(call.BiasGradient);
        argument.RelativeGradientType = AttentionArgument.Type(call.RelativeBiasGradient);
        argument.SinkGradientType = AttentionArgument.Type(call.SinkGradient);
        argument.Tiles = FusedAttentionForwardCuda.Tiles(s.QueryLength);
        argument.AlignedTensors |=
            AttentionArgument.Aligned(
                call.OutputGradient, argument.OutputStrides, s.ValueDimension, 16) |
            AttentionArgument.Aligned(
                call.QueryGradient, argument.QueryStrides, s.HeadDimension, 32) |
            AttentionArgument.Aligned(
                call.KeyGradient, argument.KeyStrides, s.HeadDimension, 64) |
            AttentionArgument.Aligned(
                call.ValueGradient, argument.ValueStrides, s.ValueDimension, 128);
        return argument;
    }

    private void QueryGradient(AttentionArgument argument, DType type)
    {
        if (AttentionTensorTiles.QueryGradient(queue, argument, type) is { } tiles)
        {
            tensorQuery[tiles.Index].Launch(
                new((uint)(argument.Tiles * argument.QueryHeads * argument.Batch), Threads,
                    tiles.SharedBytes), argument);
            return;
        }

        int width = argument.HeadDimension;
        int columns = width <= 64 ? 0 : width <= 128 ? 1 : 2;
        argument.Slices = Slices(width, 64 << columns);
        query[columns].Launch(
            new((uint)(argument.Tiles * argument.Slices * argument.QueryHeads * argument.Batch),
                Threads, SharedBytes), argument);
    }

    private void KeyGradients(AttentionArgument argument, DType type)
    {
        int keyTiles = FusedAttentionForwardCuda.Tiles(argument.KeyLength);
        if (AttentionTensorTiles.KeyGradients(queue, argument, type) is { } tiles)
        {
            // Beyond a width of 128 two blocks share a tile's gradients.
            int shares = tiles.Index == 2 ? 2 : 1;
            tensorKey[tiles.Index].Launch(
                new((uint)(keyTiles * shares * argument.KeyHeads * argument.Batch), Threads,
                    tiles.SharedBytes), argument);
            return;
        }

        int width = Math.Max(argument.HeadDimension, argument.ValueDimension);
        int columns = width <= 64 ? 0 : 1;
        argument.Slices = Slices(width, 64 << columns);
        key[columns].Launch(
            new((uint)(keyTiles * argument.Slices * argument.KeyHeads * argument.Batch), Threads,
                SharedBytes), argument);
    }

    // A stride of 0 broadcasts: one block sums what the sequences, heads or queries give.
    private void BiasGradient(AttentionArgument argument)
    {
        AttentionStrides strides = argument.BiasStrides;
        argument.BiasBatches = strides.Batch == 0 ? 1 : argument.Batch;
        argument.BiasHeads = strides.Head == 0 ? 1 : argument.QueryHeads;
        argument.BiasTiles = strides.Sequence == 0 ? 1 : argument.Tiles;
        int tiles = FusedAttentionForwardCuda.Tiles(argument.BiasKeys);
        bias.Launch(
            new((uint)(tiles * argument.BiasTiles * argument.BiasHeads * argument.BiasBatches),
                Threads, SharedBytes), argument);
    }

    private void RelativeGradient(AttentionArgument argument)
    {
        int count = argument.Buckets * (1 + argument.Bidirectional);
        int blocks = FusedAttentionForwardCuda.Tiles(argument.KeyLength) * argument.QueryHeads *
            argument.Batch;
        using CudaScratch sums = queue.Rent((long)blocks * count * sizeof(float));
        argument.BucketSums = sums.Address;
        bucketSums.Launch(
            new((uint)blocks, Threads, SharedBytes + (sizeof(float) * (DiagonalFloats + count))),
            argument);
        uint entries = (uint)(count * argument.QueryHeads);
        relative.Launch(new((entries + Threads - 1) / Threads, Threads), argument);
    }

    private static int Slices(int width, int columns) => (width + columns - 1) / columns;

    private static CudaKernel[] Tensor(CudaQueue queue, string name) =>
    [
        Named(queue, "attention_tensor_backward", $"tensor_{name}_gradient_width_64"),
        Named(queue, "attention_tensor_backward", $"tensor_{name}_gradient_width_128"),
        Named(queue, "attention_tensor_backward", $"tensor_{name}_gradient_width_256"),
    ];

    private static CudaKernel Named(CudaQueue queue, string file, string name) =>
        queue.Kernel(file, "attention_" + name);
}
