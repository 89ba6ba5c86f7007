using Transformer.Backends;
using Transformer.Models.Generation;
using Transformer.Models.Graph;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Models;

/// <summary>Continuing texts: caches change nothing, the draw is the one that was asked for.
/// </summary>
public sealed class GptGenerationTests
{
    private static readonly SamplingOptions Drawn = new() { Temperature = 0.9, Seed = 4 };

    /// <summary>Prompts shorter and longer than the 12 positions, texts that leave them often.
    /// </summary>
    [Theory]
    [InlineData("simd", 1, 40)]
    [InlineData("simd", 5, 30)]
    [InlineData("simd", 12, 14)]
    [InlineData("simd", 29, 20)]
    [InlineData("reference", 7, 20)]
    public void WithAndWithoutCaches_GiveTheSameTokens(string backend, int prompt, int tokens)
    {
        using Gpt model = TestGpt.Make(BackendRegistry.Find(backend));
        int[] text = TestGpt.Tokens(prompt);
        foreach (SamplingOptions options in (SamplingOptions[])[SamplingOptions.Greedy, Drawn])
        {
            int[] cached = [.. model.Generate(text, tokens, options)];
            int[] whole = [.. model.Generate(text, tokens, options with { UseCache = false })];
            Assert.Equal(tokens, cached.Length);
            Assert.Equal(whole, cached);
            if (options == Drawn)
                Assert.True(cached.Distinct().Count() > 3, "a text of few tokens proves little");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void FewestPositions_Work(int positions)
    {
        using Gpt model =
            new(TestGpt.Config with { Positions = positions }, BackendRegistry.Cpu, seed: 1);
        int[] cached = [.. model.Generate([3, 4, 5], 6, Drawn)];
        Assert.Equal(cached, model.Generate([3, 4, 5], 6, Drawn with { UseCache = false }));
    }

    [Fact]
    public void Backends_GiveTheSameTokens()
    {
        using Gpt simd = TestGpt.Make(BackendRegistry.Find("simd"));
        using Gpt reference = TestGpt.Make(BackendRegistry.Find("reference"));
        int[] text = TestGpt.Tokens(5);
        Assert.Equal(reference.Generate(text, 30, Drawn), simd.Generate(text, 30, Drawn));
    }

    /// <summary>Logits of every token of a text, read in parts of all sizes, against those of the
    /// graph without caches, in which all positions are computed at once.</summary>
    [Fact]
    public void ReadAndStep_MatchTheWholeText()
    {
        using Gpt model = TestGpt.Make();
        int[] text = TestGpt.Tokens(12);
        CompiledGraph graph = model.EvaluationGraph(1, 12);
        graph.Feed<int>("ids", text);
        graph.Feed<int>("labels", [.. Enumerable.Repeat(Batch.IgnoredLabel, 12)]);
        graph.Forward();
        float[] whole = new float[12 * 23];
        graph.Fetch<float>("logits", whole);
        for (int read = 1; read <= 12; read++)
        {
            AssertNear(read, model.Session.Read(text.AsSpan(0, read)));
            for (int length = read + 1; length <= 12; length++)
                AssertNear(length, model.Session.Step(text[length - 1]));
        }

        void AssertNear(int length, ReadOnlySpan<float> logits)
        {
            double[] expected =
                [.. whole[((length - 1) * 23)..(length * 23)].Select(v => (double)v)];

            // The same sums in another order, about 20 kernels deep, 6e-8 each.
            Assert.True(TestModels.RelativeError(logits, expected) < 1e-5);
        }
    }

    [Fact]
    public void TwoTextsInTurns_DoNotDisturbEachOther()
    {
        using Gpt model = TestGpt.Make();
        int[] one = TestGpt.Tokens(4, 1), two = TestGpt.Tokens(6, 2);
        int[] first = [.. model.Generate(one, 10, Drawn)], second = [.. model.Generate(two, 10)];
        (int, int)[] both = [.. model.Generate(one, 10, Drawn).Zip(model.Generate(two, 10))];
        Assert.Equal(first, both.Select(p => p.Item1));
        Assert.Equal(second, both.Select(p => p.Item2));
    }

    [Fact]
    public void TheSameSeed_DrawsTheSame_AnotherDoesNot()
    {
        using Gpt model = TestGpt.Make();
        int[] text = TestGpt.Tokens(3);
        int[] once = [.. model.Generate(text, 30, Drawn)];
        Assert.Equal(once, model.Generate(text, 30, Drawn));
        Assert.NotEqual(once, model.Generate(text, 30, Drawn with { Seed = 5 }));
    }

    [Theory]
    [InlineData(1.0, 0, 1.0, new[] { 0.1, 0.4, 0.05, 0.3, 0.15 })]
    [InlineData(0.5, 0, 1.0, new[] { 0.01, 0.16, 0.0025, 0.09, 0.0225 })]
    [InlineData(1.0, 2, 1.0, new[] { 0, 0.4, 0, 0.3, 0 })]
    [InlineData(1.0, 0, 0.75, new[] { 0, 0.4, 0, 0.3, 0.15 })]
    [InlineData(1.0, 0, 0.65, new[] { 0, 0.4, 0, 0.3, 0 })]
    [InlineData(1.0, 4, 0.5, new[] { 0, 0.4, 0, 0.3, 0 })]
    [InlineData(1.0, 1, 0.1, new[] { 0.0, 1, 0, 0, 0 })]
    public void Draws_FollowTheProbabilities(
        double temperature, int topK, double topP, double[] weights)
    {
        const int Draws = 40000;
        float[] logits =
            [.. new[] { 0.1, 0.4, 0.05, 0.3, 0.15 }.Select(p => (float)Math.Log(p) + 2)];
        TokenSampler sampler = new(5, new()
        {
            Temperature = temperature,
            TopK = topK,
            TopP = topP,
            Seed = 12,
        });
        int[] counts = new int[5];
        for (int i = 0; i < Draws; i++) counts[sampler.Next(logits, i)]++;
        double total = weights.Sum();
        for (int i = 0; i < 5; i++)
        {
            double expected = weights[i] / total;

            // Five standard deviations of a binomial share; the seed is fixed.
            double allowed = 5 * Math.Sqrt(expected * (1 - expected) / Draws);
            Assert.InRange(counts[i] / (double)Draws, expected - allowed, expected + allowed);
        }
    }

    [Fact]
    public void Ties_GoToTheLowerIds_AndExcludedTokensAreNeverChosen()
    {
        float[] equal = [1, 1, 1, 1];
        Assert.Equal(0, new TokenSampler(4, SamplingOptions.Greedy).Next(equal, 0));
        Assert.Equal(2, new TokenSampler(
            4, SamplingOptions.Greedy with { Excluded = [0, 1] }).Next(equal, 0));
        TokenSampler two = new(4, new() { TopK = 2 }), half = new(4, new() { TopP = 0.4 });
        Assert.Equal([0, 1], Enumerable.Range(0, 50).Select(i => two.Next(equal, i)).Distinct()
            .Order());
        Assert.Equal([0, 1], Enumerable.Range(0, 50).Select(i => half.Next(equal, i)).Distinct()
            .Order());
        Assert.Throws<ArithmeticException>(
            () => two.Next([1, float.NaN, 0, float.NaN], 0));
    }

    [Fact]
    public void BadArguments_NameTheRemedy()
    {
        using Gpt model = TestGpt.Make();
        Message("Gpt: the prompt is empty; expected one token or more.", [], null);
        Message("Gpt: the prompt has the token 23; expected 0 to 22. Use the model's own " +
            "tokenizer.", [23], null);
        Message("SamplingOptions: 'TopP' is 0; expected more than 0 and at most 1 (all).",
            [1], new() { TopP = 0 });
        Message("SamplingOptions: 'TopK' is -1; expected 0 (all) or more.",
            [1], new() { TopK = -1 });
        Message("SamplingOptions: 'Temperature' is -0.5; expected 0 (greedy) or more.",
            [1], new() { Temperature = -0.5 });
        Message("SamplingOptions: 'Excluded' has the token 99; expected 0 to 22. Use the model's " +
            "own tokenizer.", [1], new() { Excluded = [99] });

        void Message(string expected, int[] prompt, SamplingOptions? options) => Assert.Equal(
            expected,
            Assert.Throws<ArgumentException>(() => model.Generate(prompt, 1, options)).Message);
    }
}
