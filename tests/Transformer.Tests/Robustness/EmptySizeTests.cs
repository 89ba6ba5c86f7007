using Transformer.Backends;
using Transformer.Ops;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness;

/// <summary>Sizes of 0, whose spans have no address: nothing to compute is no error.</summary>
public sealed class EmptySizeTests
{
    public static TheoryData<string> Backends => ["simd", "reference"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void Attention_WithoutSequencesOrQueries_DoesNothing(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        float[] keys = new float[2 * 3 * 4], gradient = [.. keys.Select(_ => float.NaN)];
        float[] other = [.. gradient];
        Kernels.FusedAttention.Forward(
            [], [], [], new(0, 2, 2, 3, 3, 4, 4), default, [], [], backend);
        Kernels.FusedAttention.Forward(
            [], keys, keys, new(1, 2, 2, 0, 3, 4, 4), default, [], [], backend);
        Kernels.FusedAttention.Backward([], [], [], [], [], [], new(0, 2, 2, 3, 3, 4, 4), default,
            [], [], [], backend);
        Kernels.FusedAttention.Backward([], keys, keys, [], [], [], new(1, 2, 2, 0, 3, 4, 4),
            default, [], gradient, other, backend);

        // Keys that no query reads have gradient 0.
        Assert.All(gradient, x => Assert.Equal(0, x));
        Assert.All(other, x => Assert.Equal(0, x));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Attention_WithoutKeys_GivesZeros(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        AttentionSizes sizes = new(1, 2, 1, 3, 0, 4, 5);
        float[] query = new float[24], output = Poison(30), logSumExp = Poison(6);
        float[] gradient = Poison(24);
        Kernels.FusedAttention.Forward(
            query, [], [], sizes, default, output, logSumExp, backend);
        Kernels.FusedAttention.Backward(query, [], [], output, logSumExp, new float[30], sizes,
            default, gradient, [], [], backend);

        Assert.All(output, x => Assert.Equal(0, x));
        Assert.All(logSumExp, x => Assert.Equal(float.NegativeInfinity, x));
        Assert.All(gradient, x => Assert.Equal(0, x));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Attention_UnderMaskOrBiasWithoutKeys_SeesNothing(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        AttentionSizes sizes = new(1, 1, 1, 2, 3, 4, 4);
        float[] query = [.. Enumerable.Repeat(1f, 8)], key = [.. Enumerable.Repeat(1f, 12)];
        float[] masked = Poison(8), biased = Poison(8);
        Kernels.FusedAttention.Forward(query, key, key, new AttentionExtras
        {
            MaskShape = new(2, 0),
        }, sizes, default, masked, backend: backend);
        Kernels.FusedAttention.Forward(query, key, key, new AttentionExtras
        {
            BiasShape = new(0),
        }, sizes, default, biased, backend: backend);

        Assert.All(masked, x => Assert.Equal(0, x));
        Assert.All(biased, x => Assert.Equal(0, x));
    }

    [Fact]
    public void Attention_WithMaskShapeButNoMask_IsRefused()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() =>
            Kernels.FusedAttention.Forward(new float[8], new float[12], new float[12],
                new AttentionExtras { MaskShape = new(2, 3) }, new(1, 1, 1, 2, 3, 4, 4), default,
                new float[8]));

        Assert.Equal("FusedAttention: 'mask' has 0 elements; expected at least 6 for strides " +
            "(0, 0, 3, 1) and 3 keys a row. Pass a larger buffer or smaller strides.",
            error.Message);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void RowsOfEveryOp_MayBeNone(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        float[] weight = [1, 2], gradient = [3, 4], bias = [5];
        Kernels.LayerNorm.Forward<float>([], weight, [], new(0, 2), default, [], [], [], backend);
        Kernels.LayerNorm.Backward<float>(
            [], weight, [], [], [], new(0, 2), [], gradient, [], backend: backend);
        Kernels.RmsNorm.Forward<float>([], weight, new(0, 2), default, [], [], backend);
        Kernels.RmsNorm.Backward<float>(
            [], weight, [], [], new(0, 2), [], gradient, backend: backend);
        foreach (SoftmaxSizes none in (SoftmaxSizes[])[new(0, 3), new(2, 0, 3), new(2, 3, 0)])
        {
            Kernels.Softmax.Forward<float>([], none, [], backend);
            Kernels.LogSoftmax.Forward<float>([], none, [], backend);
        }

        Kernels.Linear.Forward([], weight, [], new(0, 2, 1), default, [], [], backend);
        Kernels.Linear.Backward(
            [], weight, [], [], new(0, 2, 1), default, [], gradient, bias, backend);
        Kernels.GeluFeedForward.Forward<float>([], new() { Weight1 = weight, Weight2 = weight },
            new(0, 2, 1, 2), default, [], [], backend);
        Kernels.GeluFeedForward.Backward<float>(
            [], new() { Weight1 = weight, Weight2 = weight }, [], [], new(0, 2, 1, 2), default, [],
            new() { Weight1 = gradient, Weight2 = new float[2], Bias1 = bias }, backend);
        Kernels.Embedding.Forward<float>(
            default, weight, [], [], new(0, 0, 2), default, [], backend);
        Kernels.Embedding.Backward<float>(
            default, [], new(0, 3, 2), default, gradient, backend: backend);
        Kernels.Dropout.Forward<float>([], new(0.5f, 1), [], backend);
        Kernels.Dropout.Backward<float>([], new(0.5f, 1), [], backend);
        Kernels.AdamW.Step([], 1, 1, new(0.1), [], [], [], backend);
        Kernels.KvCacheAppend.Forward([], [], new(0, 1, 4, 2), [], backend: backend);

        // Gradients of parameters are added to; nothing was.
        Assert.Equal([3f, 4f], gradient);
        Assert.Equal([5f], bias);
        Assert.Equal(0, Kernels.GradientNorm.Compute<float>([], 1, backend).Norm);
        Assert.Equal(1, Kernels.GradientNorm.Compute<float>([], 1, backend).ClipScale);
        Assert.Equal(0, Kernels.SoftmaxCrossEntropy.Forward<float>(
            [], [], new(0, 3), default, [], [], backend));
        Kernels.SoftmaxCrossEntropy.Backward<float>([], [], [], 1, new(0, 3), default, [], backend);
        Assert.Equal(0, Kernels.NegativeLogLikelihood.Forward<float>(
            [], [], [], new(0, 3), default, [], backend));
        Kernels.NegativeLogLikelihood.Backward<float>(
            [], [], 1, new(2, 3, 0), default, [], backend);
        Kernels.TopK.Forward([], new(0, 3, 2), [], [], backend);
        Kernels.Sampling.Forward([], new(0, 3), default, [], backend);
    }

    [Fact]
    public void WidthsOfNothing_AreRefused()
    {
        Refused(() => Kernels.LayerNorm.Forward<float>([], [], [], new(2, 0), default, []),
            "LayerNorm: 'Width' is 0");
        Refused(() => Kernels.RmsNorm.Forward<float>([], [], new(2, 0), default, []),
            "RmsNorm: 'Width' is 0");
        Refused(() => Kernels.NegativeLogLikelihood.Forward<float>([], [0], [], new(1, 0), default),
            "NegativeLogLikelihood: 'Classes' is 0");
        Refused(() => Kernels.TopK.Forward([], new(1, 0, 1), new int[1]), "TopK: 'Length' is 0");
        Refused(() => Kernels.Sampling.Forward([], new(1, 0), default, new int[1]),
            "Sampling: 'Vocabulary' is 0");
        Refused(() => Kernels.Linear.Forward([], [], [], new(2, 0, 1), default, new float[2]),
            "Linear: 'InputFeatures' is 0");
        Refused(() => Kernels.GeluFeedForward.Forward<float>(
            [], default, new(0, 2, 0, 2), default, []), "GeluFeedForward: 'Hidden' is 0");
        Refused(() => Kernels.Embedding.Forward<float>(
            default, [], [], [], new(2, 1, 0), default, []), "Embedding: 'Width' is 0");
        Refused(() => Kernels.Embedding.Forward<float>(new() { Tokens = [0, 0] }, [1f], [], [],
            new(2, 0, 1), default, new float[2]), "Embedding: 'SequenceLength' is 0");
        Refused(() => Kernels.SoftmaxCrossEntropy.Forward<float>(
            [], [0], new(1, 0), default, new float[1]),
            "SoftmaxCrossEntropy: 'Classes' is 0");
        Refused(() => Kernels.FusedAttention.Forward([], [], [], new(1, 1, 1, 1, 1, 0, 1), default,
            new float[1]), "FusedAttention: 'HeadDimension' is 0");
        Refused(() => Kernels.KvCacheAppend.Forward([], [0], new(1, 1, 0, 2), []),
            "KvCacheAppend: 'Capacity' is 0");
    }

    private static void Refused(Action action, string start)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(action);
        Assert.StartsWith(
            start + "; expected 1 or more. Pass ", error.Message, StringComparison.Ordinal);
    }

    private static float[] Poison(int count) => [.. Enumerable.Repeat(float.NaN, count)];
}
