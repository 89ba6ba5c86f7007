using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

public class FusedAttentionCallTests : KernelTest
{
    private static readonly AttentionSizes Sizes = new(1, 2, 1, 2, 3, 4, 4);

    [Fact]
    public void Sizes_AreChecked()
    {
        Rejects(Sizes with { QueryHeads = 12, KeyValueHeads = 8 },
            "FusedAttention: 'key' has 8 heads; 'query' has 12, which is not a multiple. Use Hkv " +
            "in {1, 2, 3, 4, 6, 12}.");
        Rejects(Sizes with { HeadDimension = 0 },
            "FusedAttention: 'HeadDimension' is 0; expected 1 or more. Pass the tensors' size.");
        Rejects(Sizes with { Batch = -1 },
            "FusedAttention: 'Batch' is -1; expected 0 or more. Pass the tensors' size.");
        Rejects(Sizes with { KeyLength = 4 },
            "FusedAttention: 'key' has 12 elements; expected at least 16 for [1, 1, 4, 4] with " +
            "strides (16, 16, 4, 1). Pass a larger buffer or smaller strides.");
    }

    [Fact]
    public void Options_AreChecked()
    {
        RejectsOptions(new() { Scale = -1 },
            "FusedAttention: 'Scale' is -1; expected a number from 0 to 3.4028234663852886E+38. " +
            "Check how it was computed, or leave it out for the default.");
        RejectsOptions(new() { SoftCap = double.NaN },
            "FusedAttention: 'SoftCap' is NaN; expected a number from 0 to " +
            "3.4028234663852886E+38. Check how it was computed, or leave it out for the default.");
        RejectsOptions(new() { PastLength = -2 },
            "FusedAttention: 'PastLength' is -2; expected 0 or more. Pass the number of keys " +
            "before the first query.");
        RejectsOptions(new() { Window = new(-2, 0) },
            "FusedAttention: 'Window' is (-2, 0); expected −1 (unbounded) or more on each side. " +
            "Use 0 for the own position alone.");
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    public void KeyLengths_AreChecked(int length) => Rejects(
        Forward(Valid() with { KeyLengths = Ints(length) }),
        $"FusedAttention: 'keyLengths[0]' is {length}; expected 0 to 3. Pass each sequence's " +
        "number of keys.");

    [Fact]
    public void MaskAndBias_AreChecked()
    {
        AttentionInputs inputs = Valid();
        Rejects(Forward(inputs with { Mask = Real(new double[6]), MaskLayout = new(0, 0, 3, 3) }),
            "FusedAttention: 'mask' is Float64; expected Bool, true = may attend. Pass numbers " +
            "to be added as 'bias'.");
        Rejects(
            Forward(inputs with { Mask = Bools(new bool[5]), MaskLayout = new(0, 0, 3, 3) }),
            "FusedAttention: 'mask' has 5 elements; expected at least 6 for " +
            "strides (0, 0, 3, 1) and 3 keys a row. Pass a larger buffer or smaller strides.");
        Rejects(
            Forward(inputs with { Bias = Real(new double[9]), BiasLayout = new(0, 0, 4, 4) }),
            "FusedAttention: 'bias' has strides (0, 0, 4, 1) and 4 keys a row; expected strides " +
            "of 0 or more and 0 to 3 keys. Use AttentionMaskLayout.FromShape.");
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => AttentionMaskLayout.FromShape(new(3, 3), Sizes));
        Assert.Equal(
            "FusedAttention: mask or bias of shape [3, 3] does not broadcast to [1, 2, 2, 3]. " +
            "Use 1 or the full size on each axis but the last, right-aligned, and at most the " +
            "keys on that.",
            error.Message);
    }

    [Fact]
    public void MaskLayout_FromShapeIsRightAligned()
    {
        AttentionSizes sizes = new(5, 4, 2, 3, 7, 1, 1);
        Assert.Equal(new(0, 0, 0, 7), AttentionMaskLayout.FromShape(new(7), sizes));
        Assert.Equal(new(0, 0, 7, 7), AttentionMaskLayout.FromShape(new(3, 7), sizes));
        Assert.Equal(new(0, 21, 7, 7), AttentionMaskLayout.FromShape(new(4, 3, 7), sizes));
        Assert.Equal(new(84, 21, 7, 7), AttentionMaskLayout.FromShape(new(5, 4, 3, 7), sizes));
        Assert.Equal(new(7, 0, 0, 7), AttentionMaskLayout.FromShape(new(5, 1, 1, 7), sizes));
        Assert.Equal(new(0, 0, 6, 6), AttentionMaskLayout.FromShape(new(1, 1, 3, 6), sizes));
    }

    [Fact]
    public void Outputs_AreChecked()
    {
        AttentionForward call = Forward(Valid());
        Rejects(call with { Output = Output(15) },
            "FusedAttention: 'output' has 15 elements; expected at least 16 for [1, 2, 2, 4] " +
            "with strides (16, 8, 4, 1). Pass a larger buffer or smaller strides.");
        Rejects(call with { LogSumExp = Output(3) },
            "FusedAttention: 'logSumExp' has 3 elements; expected 4 for shape [1, 2, 2]. Pass a " +
            "buffer of that size.");
        Rejects(call with { ScoreOutput = ScoreOutput.Raw },
            "FusedAttention: 'scores' is absent with ScoreOutput.Raw. Pass a buffer exactly when " +
            "scores are asked for.");
        Rejects(call with { Scores = Output(12) },
            "FusedAttention: 'scores' is present with ScoreOutput.None. Pass a buffer exactly " +
            "when scores are asked for.");
        Rejects(call with { Output = call.Inputs.Query },
            "FusedAttention: 'output' overlaps 'query'. Pass separate buffers.");
    }

    [Fact]
    public void BackwardBuffers_AreChecked()
    {
        AttentionInputs inputs = Valid();
        AttentionBackward call = new()
        {
            Inputs = inputs,
            Output = Output(16),
            LogSumExp = Output(4),
            OutputGradient = Output(16),
            QueryGradient = Output(16),
            KeyGradient = Output(12),
            ValueGradient = Output(12),
        };
        Rejects(call with { LogSumExp = default },
            "FusedAttention: 'logSumExp' has no buffer; expected 4 for shape [1, 2, 2]. Pass a " +
            "buffer of that size.");
        Rejects(call with { KeyGradient = Output(11) },
            "FusedAttention: 'keyGradient' has 11 elements; expected at least 12 for [1, 1, 3, " +
            "4] with strides (12, 12, 4, 1). Pass a larger buffer or smaller strides.");
        Rejects(call with { BiasGradient = Output(2) },
            "FusedAttention: 'biasGradient' has 2 elements; expected 0, as 'bias' has. " +
            "Pass a buffer of that size.");
        Rejects(call with { ValueGradient = inputs.Value },
            "FusedAttention: 'valueGradient' overlaps 'value'. Pass separate buffers.");
    }

    private void Rejects(AttentionSizes sizes, string message) =>
        Rejects(Forward(Valid() with { Sizes = sizes }), message);

    private void RejectsOptions(AttentionOptions options, string message) =>
        Rejects(Forward(Valid() with { Options = options }), message);

    private AttentionInputs Valid() => AttentionProblem.Random(this, Sizes);

    private AttentionForward Forward(AttentionInputs inputs) => new()
    {
        Inputs = inputs,
        Output = Output(16),
        LogSumExp = default(BufferView),
    };
}
