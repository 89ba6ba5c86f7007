using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Robustness;

/// <summary>Sizes whose products pass 32 or 64 bits never look small.</summary>
public sealed class HugeSizeTests : KernelTest
{
    private const int Huge = int.MaxValue;

    // 65,536 · 65,536 = 2³²: 0 in 32 bits. 2²² · 2²² · 2²⁰ = 2⁶⁴: 0 in 64 bits.
    private const int Root32 = 1 << 16;

    [Fact]
    public void RowsTimesWidth_IsCountedIn64Bits()
    {
        BufferView none = Floats(0);
        Refuses(new LayerNormForward
        {
            Input = none, Output = none, Rows = Root32, Width = Root32,
        }, "LayerNorm: 'input' has 0 elements; expected 4294967296 for shape [65536, 65536]. ");
        Refuses(new LinearForward
        {
            Input = Floats(4), Weight = none, Output = Floats(4), Rows = 1, InputFeatures = 4,
            OutputFeatures = Huge,
        }, "Linear: 'weight' has 0 elements; expected 8589934588 for shape [2147483647, 4]. ");
        Refuses(new SoftmaxCrossEntropyForward
        {
            Logits = none, Labels = none, LogSumExp = none, Loss = Floats(1), Rows = Root32,
            Classes = Root32,
        }, "SoftmaxCrossEntropy: 'logits' has 0 elements; expected 4294967296 ");
        Refuses(new SoftmaxForward
        {
            Input = none, Output = none, Outer = 1 << 22, Length = 1 << 22, Inner = 1 << 20,
        }, "Softmax: 'input' has 0 elements; expected 9223372036854775807 ");
        Refuses(new NegativeLogLikelihoodForward
        {
            LogProbabilities = none, Labels = Ints(), Loss = Floats(1), Outer = Root32,
            Classes = 1, Inner = Root32,
        }, "NegativeLogLikelihood: 'labels' has 0 elements; expected 4294967296 ");
        Refuses(new KvCacheAppendForward
        {
            Source = Floats(4), Positions = Ints(0), Cache = none, Batch = 1 << 22,
            NewLength = 1, Capacity = 1 << 22, Width = 1 << 20,
        }, "KvCacheAppend: 'source' has 4 elements; expected at least 4398046511104 ");
    }

    [Fact]
    public void AttentionSizes_ThatPass64Bits_AreRefused()
    {
        BufferView some = Floats(64), more = Floats(64), most = Floats(64), output = Floats(64);
        AttentionForward call = new()
        {
            Inputs = new()
            {
                Query = some, Key = more, Value = most,
                Sizes = new(Huge, 1 << 22, 1 << 22, 1 << 22, 1, 1 << 20, 1),
            },
            Output = output,
        };
        Refuses(call, "FusedAttention: 'query' has 64 elements; expected at least " +
            "9223372036854775807 for [2147483647, ");
    }

    [Theory]
    [InlineData(long.MaxValue, 0, 4)]
    [InlineData(1L << 62, 1L << 62, 4)]
    [InlineData(4, 4, long.MaxValue)]
    [InlineData(1L << 40, 4, 4)]
    public void Strides_ThatLeadFarAway_AreRefused(long batch, long head, long sequence)
    {
        AttentionForward call = new()
        {
            Inputs = new()
            {
                Query = Floats(64), Key = Floats(64), Value = Floats(64),
                Sizes = new(3, 2, 2, 5, 1, 4, 1),
                QueryStrides = new(batch, head, sequence),
            },
            Output = Floats(64),
        };
        Refuses(call, "FusedAttention: 'query' has 64 elements; expected at least ");
        Refuses(call with
        {
            Inputs = call.Inputs with
            {
                QueryStrides = default, Query = Floats(120), Key = Floats(24),
                Mask = Bools(new bool[8]), MaskLayout = new(batch, head, sequence, 1),
            },
        }, "FusedAttention: 'mask' has 8 elements; expected at least ");
    }

    [Fact]
    public void NegativeStrides_AreRefused()
    {
        AttentionForward call = new()
        {
            Inputs = new()
            {
                Query = Floats(8), Key = Floats(8), Value = Floats(8),
                Sizes = new(1, 1, 1, 2, 2, 4, 4), QueryStrides = new(0, 0, -4),
            },
            Output = Floats(8),
        };
        Refuses(call, "FusedAttention: 'query' has strides (0, 0, -4, 1); expected 0 or more. ");
        Refuses(new KvCacheAppendForward
        {
            Source = Floats(4), Positions = Ints(0), Cache = Floats(4), Batch = 1, NewLength = 1,
            Capacity = 1, Width = 4, SourceRowStride = 3,
        }, "KvCacheAppend: 'SourceRowStride' is 3; expected at least Width 4, or 0 ");
    }

    private TestBuffer Floats(int count) => Zeros(count, DType.Float32);

    private static void Refuses<TCall>(TCall call, string start)
        where TCall : struct, IOpCall => CallRefusal.Require(call, start);
}
