using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.FusedAttention;

/// <summary>The argument of attention's kernels, field by field that of
/// native/FusedAttention/terms.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionArgument
{
    public nint Query, Key, Value;
    public nint Output;
    public nint LogSumExp;
    public nint Mask, BlockMask;
    public nint Bias, Alibi, Relative, Sinks;
    public nint KeyLengths, QueryOffsets, KeyOffsets, BlockTable;
    public nint RandomState;
    public nint Scores;
    public nint PartialOutputs, PartialSums;
    public nint OutputGradient;
    public nint Deltas;
    public nint QueryGradient, KeyGradient, ValueGradient;
    public nint BiasGradient, RelativeGradient, SinkGradient;
    public nint BucketSums;
    public AttentionStrides QueryStrides, KeyStrides, ValueStrides, OutputStrides;
    public AttentionStrides MaskStrides, BiasStrides;
    public long Rows;
    public long TableStride;
    public int Batch, QueryHeads, KeyHeads, QueryLength, KeyLength, HeadDimension, ValueDimension;
    public int TotalQueries, TotalKeys, PageSize, PageCount;
    public int Causal, PastLength, WindowLeft, WindowRight;
    public int MaskKeys, BiasKeys, QueryBlock, KeyBlock, BlockRows, BlockColumns, BlocksPerHead;
    public int ScoreStage, AlignedTensors, Buckets, Bidirectional;
    public int Units, HeadsPerUnit;
    public int Tiles, Splits, Slices, Resident;
    public int BiasBatches, BiasHeads, BiasTiles;
    public uint BiasType, AlibiType, RelativeType, SinksType, ScoresType;
    public uint BiasGradientType, RelativeGradientType, SinkGradientType;
    public uint ElementType;
    public uint DropoutStream;
    public float Scale, SoftCap, DropProbability, Kept;
    public RelativeThresholds Thresholds;

    /// <summary>What forward and backward share, with one head's queries a unit.</summary>
    public static AttentionArgument Of(in AttentionInputs inputs, BufferView output)
    {
        AttentionSizes s = inputs.Sizes;
        AttentionOptions options = inputs.Options;
        AttentionBlockSize block = inputs.BlockSize;
        AttentionArgument argument = new()
        {
            Query = inputs.Query.Address,
            Key = inputs.Key.Address,
            Value = inputs.Value.Address,
            Output = output.Address,
            Mask = inputs.Mask.Address,
            BlockMask = inputs.BlockMask.Address,
            Bias = inputs.Bias.Address,
            Alibi = inputs.AlibiSlopes.Address,
            Relative = inputs.RelativeBias.Address,
            Sinks = inputs.Sinks.Address,
            KeyLengths = inputs.KeyLengths.Address,
            QueryOffsets = inputs.QueryOffsets.Address,
            KeyOffsets = inputs.KeyOffsets.Address,
            BlockTable = inputs.BlockTable.Address,
            RandomState = inputs.RandomState.Address,
            QueryStrides = inputs.EffectiveQueryStrides,
            KeyStrides = inputs.EffectiveKeyStrides,
            ValueStrides = inputs.EffectiveValueStrides,
            OutputStrides = inputs.EffectiveOutputStrides,
            MaskStrides = Strides(inputs.MaskLayout),
            BiasStrides = Strides(inputs.BiasLayout),
            Rows = inputs.QueryRows * s.QueryHeads,
            TableStride = s.Batch == 0 ? 0 : inputs.BlockTable.Length / s.Batch,
            Batch = s.Batch,
            QueryHeads = s.QueryHeads,
            KeyHeads = s.KeyValueHeads,
            QueryLength = s.QueryLength,
            KeyLength = s.KeyLength,
            HeadDimension = s.HeadDimension,
            ValueDimension = s.ValueDimension,
            TotalQueries = inputs.TotalQueries,
            TotalKeys = inputs.TotalKeys,
            PageSize = inputs.PageSize,
            PageCount = inputs.PageCount,
            Causal = (int)options.Causal,
            PastLength = options.PastLength,
            WindowLeft = options.Window?.Left ?? -1,
            WindowRight = options.Window?.Right ?? -1,
            MaskKeys = inputs.Mask.IsPresent ? inputs.MaskLayout.KeyCount : int.MaxValue,
            BiasKeys = inputs.Bias.IsPresent ? inputs.BiasLayout.KeyCount : int.MaxValue,
            QueryBlock = block.QueryBlock,
            KeyBlock = block.KeyBlock,
            BlockRows = Blocks(s.QueryLength, block.QueryBlock),
            BlockColumns = Blocks(s.KeyLength, block.KeyBlock),
            BlocksPerHead = block.PerHead ? 1 : 0,
            Units = s.QueryHeads,
            HeadsPerUnit = 1,
            Splits = 1,
            Slices = 1,
            BiasType = Type(inputs.Bias),
            AlibiType = Type(inputs.AlibiSlopes),
            RelativeType = Type(inputs.RelativeBias),
            SinksType = Type(inputs.Sinks),
            ElementType = Type(output),
            DropoutStream = options.DropoutStream,
            Scale = (float)options.EffectiveScale(s.HeadDimension),
            SoftCap = (float)options.SoftCap,
            DropProbability = (float)options.DropoutProbability,
            Kept = (float)(1 / (1 - options.DropoutProbability)),
        };
        argument.AlignedTensors = Aligned(inputs.Query, argument.QueryStrides, s.HeadDimension, 1) |
            Aligned(inputs.Key, argument.KeyStrides, s.HeadDimension, 2) |
            Aligned(inputs.Value, argument.ValueStrides, s.ValueDimension, 4) |
            Aligned(output, argument.OutputStrides, s.ValueDimension, 8);
        if (options.RelativeBuckets is { } buckets)
        {
            argument.Buckets = buckets.Bidirectional ? buckets.Count / 2 : buckets.Count;
            argument.Bidirectional = buckets.Bidirectional ? 1 : 0;
            argument.Thresholds = RelativeThresholds.Of(buckets);
        }

        return argument;
    }

    /// <summary>True where scores need more than a scale and an interval of keys.</summary>
    public readonly bool ShapesScores => SoftCap > 0 || Mask != 0 || BlockMask != 0 || Bias != 0 ||
        Alibi != 0 || Relative != 0;

    /// <summary>⌈length / size⌉; 0 without a size.</summary>
    public static int Blocks(int length, int size) =>
        size == 0 ? 0 : (int)(((long)length + size - 1) / size);

    /// <summary>The kernels' number of an element type.</summary>
    public static uint Type(BufferView view) => view.DType switch
    {
        DType.Float16 => 1,
        DType.BFloat16 => 2,
        _ => 0,
    };

    /// <summary><paramref name="bit"/> where every row starts on 16 bytes and holds whole chunks
    /// of them.</summary>
    public static int Aligned(BufferView view, AttentionStrides strides, int width, int bit)
    {
        int size = view.DType.Size();
        long bytes = (strides.Batch | strides.Head | strides.Sequence | (long)width) * size;
        return view.Address % 16 == 0 && bytes % 16 == 0 ? bit : 0;
    }

    private static AttentionStrides Strides(AttentionMaskLayout layout) =>
        new(layout.Batch, layout.Head, layout.Query);
}

/// <summary>The least distance of each bucket that several distances share.</summary>
[InlineArray(Count)]
internal struct RelativeThresholds
{
    /// <summary>As many as the kernels' argument holds.</summary>
    public const int Count = 128;

    private static Known? last;
    private int first;

    /// <summary>Buckets that several distances share, in one direction.</summary>
    public static int Shared(RelativePositionBuckets buckets)
    {
        int count = buckets.Bidirectional ? buckets.Count / 2 : buckets.Count;
        return count - (count / 2);
    }

    /// <summary>The thresholds, computed once while calls use the same buckets.</summary>
    public static RelativeThresholds Of(RelativePositionBuckets buckets)
    {
        Known? known = last;
        if (known is null || known.Buckets != buckets) last = known = new(buckets);
        return known.Thresholds;
    }

    private sealed class Known
    {
        public Known(RelativePositionBuckets buckets)
        {
            Buckets = buckets;
            int shared = Shared(buckets);
            int near = (buckets.Bidirectional ? buckets.Count / 2 : buckets.Count) - shared;
            for (int i = 0; i < shared; i++) Thresholds[i] = Least(buckets, near + i);
        }

        public RelativePositionBuckets Buckets { get; }

        public readonly RelativeThresholds Thresholds;

        // Buckets never decrease with the distance; keys before the query are in the first ones.
        private static int Least(RelativePositionBuckets buckets, int bucket)
        {
            int low = 0, high = buckets.MaximumDistance;
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (buckets.Bucket(-middle) >= bucket) high = middle;
                else low = middle + 1;
            }

            return low;
        }
    }
}
