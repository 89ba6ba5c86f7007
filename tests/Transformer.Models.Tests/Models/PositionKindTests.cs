using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Interchange;

namespace Transformer.Models.Tests.Models;

/// <summary>Every kind of positions in a decoder-only model: caches, gradients, files.</summary>
public sealed class PositionKindTests
{
    private const int Length = 9;

    public static TheoryData<PositionKind> Kinds => [.. Enum.GetValues<PositionKind>()];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void WithAndWithoutCaches_GiveTheSameTokens(PositionKind kind)
    {
        using Gpt model = Make(kind);
        SamplingOptions options = new() { Temperature = 0.9, Seed = 4 };
        int[][] prompts = [TestGpt.Tokens(5), TestGpt.Tokens(2, 1), TestGpt.Tokens(14, 2)];
        int[][] cached = model.GenerateAll(prompts, 18, options);
        int[][] whole = model.GenerateAll(prompts, 18, options with { UseCache = false });
        Assert.Equal(whole, cached);
        Assert.True(cached[0].Distinct().Count() > 3, "a text of few tokens proves little");
    }

    /// <summary>But for the model without positions, to which a text is a set, the order of
    /// earlier tokens counts.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void OrderOfEarlierTokens_CountsWherePositionsDo(PositionKind kind)
    {
        using Gpt model = new(
            TestGpt.Config with { PositionKind = kind, Layers = 1 }, BackendRegistry.Cpu, seed: 3);
        Spread(model);
        float[] one = model.LogitsAfter([4, 9, 2, 7]).ToArray();
        double[] other = [.. model.LogitsAfter([9, 2, 4, 7]).ToArray().Select(v => (double)v)];
        double difference = TestModels.RelativeError(one, other);
        if (kind == PositionKind.None) Assert.InRange(difference, 0, 1e-6);
        else Assert.True(difference > 1e-3, $"differs by {difference}");
    }

    /// <summary>Along the gradient the loss changes as it says: values are binary32, so single
    /// coordinates would drown in rounding.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Gradient_IsThatOfTheLoss(PositionKind kind)
    {
        using Gpt model = Make(kind, BackendRegistry.Reference);
        CompiledGraph graph = Feed(model);
        graph.Forward();
        graph.Backward();
        float[] gradient = model.Parameters.Gradients.AsSpan<float>().ToArray();
        double length = Math.Sqrt(gradient.Sum(v => (double)v * v));
        float[] direction = Array.ConvertAll(gradient, v => (float)(v / length));
        double expected = gradient.Zip(direction, (a, b) => (double)a * b).Sum();
        float[] start = model.Parameters.Values.AsSpan<float>().ToArray();
        double step = 0.01 / expected;
        double quotient = (Loss(step) - Loss(-step)) / (2 * step);

        // The loss is near 30 and kept to 2⁻²⁴; the third derivative adds some 1e-4.
        Assert.Equal(1, quotient / expected, 2e-3);
        if (kind == PositionKind.Relative)
        {
            Assert.Contains(
                model.Parameters["positions.relativeBias"].Gradient.AsSpan<float>().ToArray(),
                value => Math.Abs(value) > 1e-4);
        }

        double Loss(double scale)
        {
            Span<float> values = model.Parameters.Values.AsSpan<float>();
            for (int i = 0; i < values.Length; i++)
                values[i] = (float)(start[i] + (scale * direction[i]));
            graph.Forward();
            return graph.Output<float>("loss")[0];
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Simd_TrainsAsTheReference(PositionKind kind)
    {
        float[][] gradients = Array.ConvertAll(
            [BackendRegistry.Cpu, BackendRegistry.Reference], backend =>
            {
                using Gpt model = Make(kind, backend);
                CompiledGraph graph = Feed(model);
                graph.Forward();
                graph.Backward();
                return model.Parameters.Gradients.AsSpan<float>().ToArray();
            });
        double[] expected = Array.ConvertAll(gradients[1], v => (double)v);

        // Two layers of sums in another order, 6e-8 each.
        Assert.True(TestModels.RelativeError(gradients[0], expected) < 1e-5);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Saved_ReadsBack(PositionKind kind)
    {
        using TemporaryFolder folder = new();
        int[] text = TestGpt.Tokens(8);
        using Gpt model = Make(kind);
        model.Save(folder.Path);
        using Gpt read = Gpt.Load(folder.Path, BackendRegistry.Cpu);
        Assert.Equal(kind, read.Config.PositionKind);
        Assert.Equal(model.LogitsAfter(text).ToArray(), read.LogitsAfter(text).ToArray());
        if (kind == PositionKind.Learned) return;
        Assert.Contains("other libraries know learned ones alone",
            Assert.Throws<NotSupportedException>(() => Transformer.Models.HuggingFace.Export(
                folder.Path, folder.File("out"))).Message);
    }

    [Fact]
    public void HeadsOfOddWidth_DoNotRotate()
    {
        GptConfig odd = TestGpt.Config with { PositionKind = PositionKind.Rotary, Width = 18 };
        Assert.Equal("GptConfig: heads of width 9; expected an even number. Rotation takes " +
            "pairs: use another width or number of heads.",
            Assert.Throws<ArgumentException>(odd.Validate).Message);
        Assert.Contains("position_embedding_type", Assert.ThrowsAny<Exception>(() =>
            GptConfig.FromJson(TestGpt.Config.ToJson().Replace(
                "\"n_embd\"", "\"position_embedding_type\": \"spiral\", \"n_embd\""))).Message);
    }

    private static Gpt Make(PositionKind kind, Backend? backend = null)
    {
        Gpt model = new(
            TestGpt.Config with { PositionKind = kind }, backend ?? BackendRegistry.Cpu, seed: 3);
        Spread(model);
        return model;
    }

    private static void Spread(Gpt model)
    {
        Random random = new(5);
        foreach (Parameter parameter in model.Parameters.All.Where(p => p.Trainable))
        {
            float[] values = new float[parameter.Shape.ElementCount];
            parameter.CopyTo(values);
            for (int i = 0; i < values.Length; i++)
                values[i] += (float)(0.8 * (random.NextDouble() - 0.5));
            parameter.CopyFrom(values);
        }
    }

    private static CompiledGraph Feed(Gpt model)
    {
        int[] text = TestGpt.Tokens((2 * Length) + 1, 5);
        CompiledGraph graph = model.TrainingGraph(2, Length);
        graph.Feed<int>("ids", text.AsSpan(0, 2 * Length));
        graph.Feed<int>("labels", text.AsSpan(1));
        graph.Feed<float>("lossGradient", [1]);
        model.Parameters.ClearGradients();
        return graph;
    }
}
