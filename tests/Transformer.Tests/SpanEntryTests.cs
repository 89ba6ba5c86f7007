using System.Reflection;
using Transformer.Backends;
using Transformer.Ops;
using Kernels = Transformer.Ops;

namespace Transformer.Tests;

/// <summary>The entries on spans hand every argument on to the right place.</summary>
public sealed class SpanEntryTests
{
    [Fact]
    public void Attention_OfTwoEqualKeys_AveragesTheirValues()
    {
        float[] query = [1, 0];
        float[] key = [3, 1, 3, 2];
        float[] value = [10, 20];
        float[] output = new float[1];
        float[] logSumExp = new float[1];

        Kernels.FusedAttention.Forward(
            query, key, value, new(1, 1, 1, 1, 2, 2, 1), default, output, logSumExp);

        // Both scores are 3/√2.
        Assert.Equal(15, output[0], 1e-5);
        Assert.Equal((3 / Math.Sqrt(2)) + Math.Log(2), logSumExp[0], 1e-5);
    }

    [Fact]
    public void Attention_WithExtras_ReachesTheSameKernelAsTheReference()
    {
        AttentionSizes sizes = new(2, 2, 1, 3, 5, 8, 4);
        float[] query = Ramp(2 * 2 * 3 * 8);
        float[] key = Ramp(2 * 5 * 8);
        float[] value = Ramp(2 * 5 * 4);
        bool[] mask = [true, false, true, true, true];
        float[] bias = Ramp(3 * 5);
        int[] lengths = [5, 4];
        float[][] outputs = [new float[48], new float[48]];
        float[][] scores = [new float[60], new float[60]];
        Backend[] backends = [BackendRegistry.Cpu, BackendRegistry.Reference];
        for (int i = 0; i < 2; i++)
        {
            AttentionExtras extras = new()
            {
                Mask = mask, MaskShape = new(5), Bias = bias, BiasShape = new(3, 5),
                KeyLengths = lengths,
            };
            Kernels.FusedAttention.Forward(query, key, value, extras, sizes,
                new() { Causal = CausalAlignment.BottomRight }, outputs[i], default, scores[i],
                ScoreOutput.Probabilities, backends[i]);
        }

        Assert.All(Enumerable.Range(0, 48), i => Assert.Equal(outputs[1][i], outputs[0][i], 1e-5));
        Assert.All(Enumerable.Range(0, 60), i => Assert.Equal(scores[1][i], scores[0][i], 1e-6));
        Assert.Equal(0, scores[0][1]);
        Assert.Equal(0, scores[0][59]);
        Assert.Equal(1, scores[0][..5].Sum(), 1e-5);
    }

    [Fact]
    public void Attention_WrongLength_NamesSpanSizesAndRemedy()
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(() =>
            Kernels.FusedAttention.Forward(new float[16], new float[15], new float[16],
                new(1, 1, 1, 2, 2, 8, 8), default, new float[16]));

        Assert.Equal("FusedAttention: 'key' has 15 elements; expected at least 16 for " +
            "[1, 1, 2, 8] with strides (16, 16, 8, 1). Pass a larger buffer or smaller strides.",
            exception.Message);
    }

    [Fact]
    public void LayerNorm_NormalisesEachRow()
    {
        float[] output = new float[4];
        float[] mean = new float[2];

        Kernels.LayerNorm.Forward([1, 3, 10, 30], [1, 2], [0, 1], new(2, 2), default, output, mean);

        Assert.Equal([2f, 20f], mean);
        // ε = 1e-5 beside a variance of 1 and more takes up to 1e-5 off.
        Assert.All([(-1, 0), (3, 1), (-1, 2), (3, 3)],
            pair => Assert.Equal(pair.Item1, output[pair.Item2], 1e-4));
    }

    [Fact]
    public void LayerNorm_WrongLength_NamesWeightAndShapes()
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(() =>
            Kernels.LayerNorm.Forward(
                new float[6], new float[2], default, new(2, 3), default, new float[6]));

        Assert.Equal("LayerNorm: 'weight' has 2 elements; expected 3 for shape [3] to match " +
            "input [2, 3]. Pass a buffer of that size.", exception.Message);
    }

    [Fact]
    public void RmsNorm_ForwardAndBackward_OfOneRow()
    {
        float[] output = new float[2], sum = new float[2], inverse = new float[1];
        float[] gradient = new float[2], weightGradient = [100, 100];

        // 3 and 4 after the residual: mean square 12.5.
        Kernels.RmsNorm.Forward([1, 1], [2, 3], [1, 10], new(1, 2), new() { Epsilon = 1 },
            output, sum, inverse);
        Kernels.RmsNorm.Backward(sum, [1, 10], [0.25f], [4, 0], new(1, 2), gradient,
            weightGradient, [0, 5]);

        Assert.Equal([3f, 4f], sum);
        Assert.Equal(1 / Math.Sqrt(13.5), inverse[0], 1e-7);
        Assert.Equal([3 * inverse[0], 4 * inverse[0] * 10], output);

        // x̂ = 3/4 and 1, g = 4 and 0, avg(g ⊙ x̂) = 3/2.
        Assert.Equal([0.25f * (4 - 1.125f), (0.25f * -1.5f) + 5], gradient);
        Assert.Equal([103f, 100f], weightGradient);
    }

    [Fact]
    public void Softmax_AndItsLogarithm_OverAnInnerAxis()
    {
        float log3 = MathF.Log(3);
        float[] output = new float[4], logs = new float[4];

        // Columns 0, ln 3 and 5, 5.
        Kernels.Softmax.Forward([0, 5, log3, 5], new(1, 2, 2), output);
        Kernels.LogSoftmax.Forward([0, 5, log3, 5], new(1, 2, 2), logs);

        double[] expected = [0.25, 0.5, 0.75, 0.5];
        Assert.All(expected, (p, i) => Assert.Equal(p, output[i], 1e-7));
        Assert.All(expected, (p, i) => Assert.Equal(Math.Log(p), logs[i], 3e-7));
    }

    [Fact]
    public void NegativeLogLikelihood_WeighsLabels_AndSkipsTheIgnored()
    {
        NegativeLogLikelihoodOptions options = new() { IgnoreIndex = 2 };
        float[] losses = new float[3], gradient = new float[6];

        float loss = Kernels.NegativeLogLikelihood.Forward<float>(
            [-1, -2, -3, -4, -5, -6], [1, 2, 0], [3, 1], new(1, 2, 3), options, losses);
        Kernels.NegativeLogLikelihood.Backward(
            [1, 2, 0], [3, 1], 8, new(1, 2, 3), options, gradient);

        Assert.Equal([4f, 0f, 9f], losses);
        Assert.Equal(13f / 4, loss);
        Assert.Equal([0f, 0f, -6f, -2f, 0f, 0f], gradient);
    }

    [Fact]
    public void CrossEntropy_WithClassWeights_IsTheirWeightedMean()
    {
        float[] logSumExp = new float[2], losses = new float[2], gradient = new float[4];
        float log3 = MathF.Log(3);

        // Both rows have the softmax 1/4, 3/4.
        float loss = Kernels.SoftmaxCrossEntropy.Forward([0, log3, 0, log3], [0, 1], [1, 3],
            new(2, 2), default, logSumExp, losses);
        Kernels.SoftmaxCrossEntropy.Backward([0, log3, 0, log3], [0, 1], [1, 3], logSumExp, 4,
            new(2, 2), default, gradient);

        Assert.Equal(Math.Log(4), losses[0], 1e-6);
        Assert.Equal(3 * Math.Log(4.0 / 3), losses[1], 1e-6);
        Assert.Equal((Math.Log(4) + (3 * Math.Log(4.0 / 3))) / 4, loss, 1e-6);
        Assert.All([-0.75, 0.75, 0.75, -0.75],
            (expected, i) => Assert.Equal(expected, gradient[i], 1e-6));
    }

    [Fact]
    public void Linear_ForwardAndBackward_OfOneRow()
    {
        float[] output = new float[2];
        float[] preActivation = new float[2];
        LinearSizes sizes = new(1, 2, 2);
        LinearOptions relu = new() { Activation = Activation.Relu };
        float[] weight = [1, 2, 3, -4];

        Kernels.Linear.Forward([5, 6], weight, [1, 1], sizes, relu, output, preActivation);
        float[] inputGradient = new float[2];
        float[] weightGradient = [1, 1, 1, 1];
        float[] biasGradient = [1, 1];
        Kernels.Linear.Backward([5, 6], weight, preActivation, [2, 2], sizes, relu, inputGradient,
            weightGradient, biasGradient);

        Assert.Equal([18f, 0f], output);
        Assert.Equal([18f, -8f], preActivation);
        Assert.Equal([2f, 4f], inputGradient);
        Assert.Equal([11f, 13f, 1f, 1f], weightGradient);
        Assert.Equal([3f, 1f], biasGradient);
    }

    [Fact]
    public void GeluFeedForward_DefaultsToExactGelu()
    {
        float[] output = new float[1];

        Kernels.GeluFeedForward.Forward(
            [1], new() { Weight1 = [1, 2], Weight2 = [1, 1], Bias2 = [3] }, new(1, 1, 2, 1),
            default, output);

        // x·Φ(x) at 1 and 2.
        Assert.Equal(0.8413447461 + (2 * 0.9772498681) + 3, output[0], 1e-5);
    }

    [Fact]
    public void Embedding_AddsScaledTokenAndPosition()
    {
        float[] output = new float[4];

        Kernels.Embedding.Forward(
            new() { Tokens = [1, 0] }, [1, 2, 3, 4], [10, 20, 30, 40], default, new(2, 2, 2),
            new() { Scale = 2 }, output);

        Assert.Equal([16f, 28f, 32f, 44f], output);
    }

    [Fact]
    public void CrossEntropy_OfUniformLogits_IsTheLogarithmOfTheClasses()
    {
        float[] logSumExp = new float[2];
        float[] gradient = new float[8];
        CrossEntropyOptions options = new() { IgnoreIndex = -1 };
        float[] logits = new float[8];

        float loss =
            Kernels.SoftmaxCrossEntropy.Forward(logits, [2, -1], new(2, 4), options, logSumExp);
        Kernels.SoftmaxCrossEntropy.Backward(
            logits, [2, -1], logSumExp, 2, new(2, 4), options, gradient);

        Assert.Equal(Math.Log(4), loss, 1e-6);
        Assert.All([0.5, 0.5, -1.5, 0.5, 0, 0, 0, 0], (expected, i) =>
            Assert.Equal(expected, gradient[i], 1e-6));
    }

    [Fact]
    public void Dropout_BackwardDropsWhatForwardDropped()
    {
        float[] ones = [.. Enumerable.Repeat(1f, 1000)];
        float[] output = new float[1000];
        float[] gradient = new float[1000];
        DropoutOptions options = new(0.25f, Seed: 7, Step: 3, Stream: 2);

        Kernels.Dropout.Forward(ones, options, output);
        Kernels.Dropout.Backward(ones, options, gradient);

        Assert.Equal(output, gradient);
        // Binomial with standard deviation 13.7: five of them either side.
        Assert.InRange(output.Count(x => x == 0), 250 - 69, 250 + 69);
    }

    [Fact]
    public void Optimizer_ClipsAndSteps()
    {
        float[] parameter = [1];
        float[] first = [0];
        float[] second = [0];

        GradientNormResult norm = Kernels.GradientNorm.Compute<float>([3, 4], 1);
        Kernels.AdamW.Step(
            [5], norm.ClipScale, 1, new(0.1, WeightDecay: 0.5), parameter, first, second);

        Assert.Equal(5, norm.Norm);
        Assert.Equal(0.2, norm.ClipScale, 1e-6);
        // The clipped gradient is 1: m̂ = v̂ = 1, so the step is η; the decay ηλ = 0.05.
        Assert.Equal(0.85, parameter[0], 1e-6);
        Assert.Equal(0.1, first[0], 1e-6);
        Assert.Equal(0.001, second[0], 1e-8);
    }

    [Fact]
    public void KvCacheAppend_WritesBehindWhatIsThere()
    {
        float[] cache = [1, 2, 0, 0, 0, 0];

        Kernels.KvCacheAppend.Forward(
            [7, 8], [1], new(1, 1, 3, 2), cache, backend: BackendRegistry.Reference);

        Assert.Equal([1f, 2f, 7f, 8f, 0f, 0f], cache);
    }

    [Fact]
    public void Entries_AllocateNothing()
    {
        AttentionSizes sizes = new(1, 4, 2, 33, 65, 16, 16);
        float[] query = Ramp(4 * 33 * 16);
        float[] key = Ramp(2 * 65 * 16);
        float[] output = new float[query.Length];
        float[] logSumExp = new float[4 * 33];
        float[] gradient = new float[query.Length];
        float[] keyGradient = new float[key.Length];
        float[] valueGradient = new float[key.Length];
        bool[] mask = [.. Enumerable.Repeat(true, 33 * 65)];
        float[] weight = Ramp(16 * 16);
        int[] labels = new int[4 * 33];
        int[] places = new int[4 * 33 * 3];

        void Work()
        {
            AttentionExtras extras = new() { Mask = mask, MaskShape = new(33, 65) };
            Kernels.FusedAttention.Forward(
                query, key, key, extras, sizes, default, output, logSumExp);
            Kernels.FusedAttention.Backward(query, key, key, output, logSumExp, output, extras,
                sizes, default, gradient, keyGradient, valueGradient);
            Kernels.LayerNorm.Forward(query, default, default, new(4 * 33, 16), default, output);
            Kernels.Linear.Forward(query, weight, default, new(4 * 33, 16, 16), default, output);
            Kernels.GradientNorm.Compute(query, 1);
            Kernels.RmsNorm.Forward(query, default, new(4 * 33, 16), default, output);
            Kernels.RmsNorm.Backward(
                query, default, logSumExp, output, new(4 * 33, 16), gradient, default);
            Kernels.Softmax.Forward(query, new(4, 33, 16), output);
            Kernels.LogSoftmax.Forward(query, new(4 * 33, 16), output);
            Kernels.NegativeLogLikelihood.Forward(
                query, labels, default, new(4 * 33, 16), default, logSumExp);
            Kernels.TopK.Forward(query, new(4 * 33, 16, 3), places, output.AsSpan(0, 4 * 33 * 3));
            Kernels.Sampling.Forward(
                query, new(4 * 33, 16), new() { TopK = 9, TopP = 0.9 }, places.AsSpan(0, 4 * 33));
        }

        for (int i = 0; i < 50; i++) Work();
        // What the runtime holds weakly (of types, enumerations) is gone; no call may need it.
        long least = ManagedAllocations.Least(
            () =>
            {
                GC.Collect();
                Work();
            },
            runs: 5);
        Assert.Equal(0, least);
    }

    [Fact]
    public void Activations_ForwardAndBackward_OfRelu()
    {
        float[] output = new float[3];
        float[] gradient = [5, 6, 7];

        Kernels.Activations.Forward([-1, 0, 2], Activation.Relu, output);
        Kernels.Activations.Backward([-1, 0, 2], gradient, Activation.Relu, gradient);

        Assert.Equal([0f, 0f, 2f], output);
        Assert.Equal([0f, 0f, 7f], gradient);
    }

    [Fact]
    public void Add_AddsInPlace_AndNamesTheShorterOperand()
    {
        float[] left = [1, 2, 3];
        Kernels.Add.Forward(left, [10, 20, 30], left);
        ArgumentException exception = Assert.Throws<ArgumentException>(
            () => Kernels.Add.Forward(new float[3], new float[2], new float[3]));

        Assert.Equal([11f, 22f, 33f], left);
        Assert.StartsWith("Add: 'right' has 2 elements; expected 3", exception.Message);
    }

    // Activation is an enumeration, so its entries stand in the plural.
    [Fact]
    public void EveryOp_HasAnEntryOnSpans()
    {
        Assert.All(BackendRegistry.Reference.Kernels, kernel =>
        {
            string name = kernel.Op == "Activation" ? "Activations" : kernel.Op;
            Type? entry = typeof(Activation).Assembly.GetType($"Transformer.Ops.{name}");
            Assert.True(entry is { IsPublic: true, IsAbstract: true, IsSealed: true }, name);
            bool backward = kernel.Direction == OpDirection.Backward;
            Assert.Contains(entry.GetMethods(BindingFlags.Public | BindingFlags.Static),
                method => (method.Name == "Backward") == backward);
        });
    }

    private static float[] Ramp(int count) =>
        [.. Enumerable.Range(0, count).Select(i => ((i * 37 % 101) - 50) / 50f)];
}
