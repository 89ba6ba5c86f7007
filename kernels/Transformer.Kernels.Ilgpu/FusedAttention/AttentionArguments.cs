using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>Makes the kernels' arguments of a call.</summary>
internal static class AttentionArguments
{
    /// <summary>What forward and backward share, with one head's queries a unit.</summary>
    /// <param name="queue">Where the kernels run.</param>
    /// <param name="inputs">Of the call.</param>
    /// <param name="output">Of the call.</param>
    /// <param name="thresholds">Of the relative buckets, if there are any.</param>
    public static AttentionArgument<T> Of<T>(
        KernelQueue queue, in AttentionInputs inputs, BufferView output,
        ArrayView<int> thresholds) where T : unmanaged
    {
        AttentionSizes s = inputs.Sizes;
        return new()
        {
            Query = queue.View<T>(inputs.Query),
            Key = queue.View<T>(inputs.Key),
            Value = queue.View<T>(inputs.Value),
            Output = queue.View<T>(output),
            Places = Places(queue, inputs),
            Terms = Terms(queue, inputs, thresholds),
            QueryStrides = Of(inputs.EffectiveQueryStrides),
            KeyStrides = Of(inputs.EffectiveKeyStrides),
            ValueStrides = Of(inputs.EffectiveValueStrides),
            OutputStrides = Of(inputs.EffectiveOutputStrides),
            Batch = s.Batch,
            QueryHeads = s.QueryHeads,
            KeyHeads = s.KeyValueHeads,
            HeadDimension = s.HeadDimension,
            ValueDimension = s.ValueDimension,
            QueryAligned = Aligned(inputs.Query, inputs.EffectiveQueryStrides, s.HeadDimension),
            KeyAligned = Aligned(inputs.Key, inputs.EffectiveKeyStrides, s.HeadDimension),
            ValueAligned = Aligned(
                inputs.Value, inputs.EffectiveValueStrides, s.ValueDimension),
            OutputAligned = Aligned(output, inputs.EffectiveOutputStrides, s.ValueDimension),
            HeadsPerUnit = 1,
            Units = s.QueryHeads,
            Splits = 1,
            Rows = inputs.QueryRows * s.QueryHeads,
        };
    }

    /// <summary>A tensor of any floating-point type.</summary>
    public static AnyFloats Any(KernelQueue queue, BufferView view) => view.DType switch
    {
        _ when view.IsAbsent => default,
        DType.Float16 => new() { Half = queue.View<ushort>(view) },
        DType.BFloat16 => new() { Brain = queue.View<ushort>(view) },
        _ => new() { Single = queue.View<float>(view) },
    };

    /// <summary>The least distance of each bucket that several distances share.</summary>
    public static int[] Thresholds(RelativePositionBuckets buckets)
    {
        int count = buckets.Bidirectional ? buckets.Count / 2 : buckets.Count;
        int near = count / 2;
        int[] thresholds = new int[count - near];
        for (int i = 0; i < thresholds.Length; i++)
        {
            // Buckets never decrease with the distance; keys before the query are in the first.
            int low = 0, high = buckets.MaximumDistance;
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (buckets.Bucket(-middle) >= near + i) high = middle;
                else low = middle + 1;
            }

            thresholds[i] = low;
        }

        return thresholds;
    }

    /// <summary>1 where every row can be read by fours.</summary>
    public static int Aligned(BufferView view, AttentionStrides strides, int width) =>
        TensorTypes.RowsAligned(width, view) != 0 &&
        (strides.Batch | strides.Head | strides.Sequence) % 4 == 0 ? 1 : 0;

    private static Strides Of(AttentionStrides strides) =>
        new() { Batch = strides.Batch, Head = strides.Head, Row = strides.Sequence };

    private static Strides Of(AttentionMaskLayout layout) =>
        new() { Batch = layout.Batch, Head = layout.Head, Row = layout.Query };

    private static AttentionPlaces Places(KernelQueue queue, in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        AttentionOptions options = inputs.Options;
        int limit = inputs.Mask.IsPresent ? inputs.MaskLayout.KeyCount : int.MaxValue;
        if (inputs.Bias.IsPresent) limit = Math.Min(limit, inputs.BiasLayout.KeyCount);
        return new()
        {
            KeyLengths = queue.View<int>(inputs.KeyLengths),
            QueryOffsets = queue.View<int>(inputs.QueryOffsets),
            KeyOffsets = queue.View<int>(inputs.KeyOffsets),
            BlockTable = queue.View<int>(inputs.BlockTable),
            TableStride = s.Batch == 0 ? 0 : inputs.BlockTable.Length / s.Batch,
            QueryLength = s.QueryLength,
            KeyLength = s.KeyLength,
            TotalQueries = inputs.TotalQueries,
            TotalKeys = inputs.TotalKeys,
            PageSize = inputs.PageSize,
            PageCount = inputs.PageCount,
            QueryHeads = s.QueryHeads,
            Causal = (int)options.Causal,
            PastLength = options.PastLength,
            WindowLeft = options.Window?.Left ?? -1,
            WindowRight = options.Window?.Right ?? -1,
            KeyLimit = limit,
        };
    }

    private static AttentionTerms Terms(
        KernelQueue queue, in AttentionInputs inputs, ArrayView<int> thresholds)
    {
        AttentionSizes s = inputs.Sizes;
        AttentionOptions options = inputs.Options;
        AttentionBlockSize block = inputs.BlockSize;
        int buckets = options.RelativeBuckets?.Count ?? 0;
        bool bidirectional = options.RelativeBuckets?.Bidirectional ?? false;
        return new()
        {
            Mask = queue.View<byte>(inputs.Mask),
            BlockMask = queue.View<byte>(inputs.BlockMask),
            Bias = Any(queue, inputs.Bias),
            Alibi = Any(queue, inputs.AlibiSlopes),
            Relative = Any(queue, inputs.RelativeBias),
            Sinks = Any(queue, inputs.Sinks),
            Thresholds = thresholds,
            RandomState = queue.View<long>(inputs.RandomState),
            MaskStrides = Of(inputs.MaskLayout),
            BiasStrides = Of(inputs.BiasLayout),
            QueryBlock = block.QueryBlock,
            KeyBlock = block.KeyBlock,
            BlockRows = Blocks(s.QueryLength, block.QueryBlock),
            BlockColumns = Blocks(s.KeyLength, block.KeyBlock),
            BlocksPerHead = block.PerHead ? 1 : 0,
            Buckets = bidirectional ? buckets / 2 : buckets,
            Bidirectional = bidirectional ? 1 : 0,
            QueryHeads = s.QueryHeads,
            DropoutStream = options.DropoutStream,
            Scale = (float)options.EffectiveScale(s.HeadDimension),
            SoftCap = (float)options.SoftCap,
            DropProbability = (float)options.DropoutProbability,
            Kept = (float)(1 / (1 - options.DropoutProbability)),
        };
    }

    private static int Blocks(int length, int size) =>
        size == 0 ? 0 : (int)(((long)length + size - 1) / size);
}
