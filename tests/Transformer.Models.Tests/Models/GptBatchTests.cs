using Transformer.Backends;
using Transformer.Models.Generation;

namespace Transformer.Models.Tests.Models;

/// <summary>Several texts at once, beams, ends and penalties.</summary>
public sealed class GptBatchTests
{
    private static readonly SamplingOptions Drawn = new() { Temperature = 0.9, Seed = 4 };

    /// <summary>Lengths below, at and beyond the 12 positions, so that texts leave them at
    /// different steps.</summary>
    [Theory]
    [InlineData("simd", 8)]
    [InlineData("simd", 3)]
    [InlineData("reference", 8)]
    public void ManyTexts_AreDrawnAsAlone(string backend, int rows)
    {
        using Gpt model = TestGpt.Make(BackendRegistry.Find(backend));
        int[] lengths = [1, 7, 12, 4, 29];
        int[][] prompts = [.. lengths.Select((n, i) => TestGpt.Tokens(n, (uint)i))];
        foreach (SamplingOptions options in (SamplingOptions[])[SamplingOptions.Greedy, Drawn])
        {
            int[][] all = model.GenerateAll(prompts, 20, options with { BatchRows = rows });
            int[][] whole = model.GenerateAll(prompts, 20, options with { UseCache = false });
            for (int i = 0; i < prompts.Length; i++)
            {
                Assert.Equal(20, all[i].Length);
                Assert.Equal(whole[i], all[i]);
                Assert.Equal(model.Generate(
                    prompts[i], 20, options with { Seed = options.Seed + (ulong)i }), all[i]);
            }
        }
    }

    [Fact]
    public void ATextThatEnds_LeavesTheOthersAlone()
    {
        using Gpt model = TestGpt.Make();
        int[][] prompts = [TestGpt.Tokens(3, 1), TestGpt.Tokens(9, 2), TestGpt.Tokens(5, 3)];
        int[][] free = model.GenerateAll(prompts, 25, Drawn);

        // Ends where the first text has its fifth token.
        SamplingOptions ending = Drawn with { Ends = [free[0][4]] };
        int[][] ended = model.GenerateAll(prompts, 25, ending);
        for (int i = 0; i < prompts.Length; i++)
            Assert.Equal(free[i].TakeWhile(token => token != free[0][4]), ended[i]);
        Assert.True(ended[0].Length <= 4);
        Assert.Contains(ended, text => text.Length > ended[0].Length);
        Assert.Equal(ended[0], model.Generate(prompts[0], 25, ending));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(23)]
    public void Beams_AreTheSameWithAndWithoutCaches(int beam)
    {
        using Gpt model = TestGpt.Make();
        int[][] prompts = [TestGpt.Tokens(2, 1), TestGpt.Tokens(6, 2)];
        GenerationOptions options = new() { BeamSize = beam, BatchRows = 2 * beam };
        foreach (int? end in (int?[])[null, 5])
        {
            BeamResult[] cached = model.Beam(prompts, 6, options, [0, 7], end);
            BeamResult[] whole =
                model.Beam(prompts, 6, options with { UseCache = false }, [0, 7], end);
            for (int i = 0; i < prompts.Length; i++)
            {
                Assert.Equal(whole[i].Best.Tokens, cached[i].Best.Tokens);
                Assert.DoesNotContain(cached[i].Hypotheses, h =>
                    h.Tokens.Any(token => token is 0 or 7) || !double.IsFinite(h.Score));
                if (beam == 1 && end is null)
                {
                    Assert.Equal(
                        model.Generate(prompts[i], 6, SamplingOptions.Greedy with
                        {
                            Excluded = [0, 7],
                        }), cached[i].Best.Tokens);
                }
            }
        }
    }

    /// <summary>As wide as the vocabulary, two tokens: every continuation is looked at.</summary>
    [Fact]
    public void AFullBeam_FindsTheLikeliestPair()
    {
        using Gpt model = TestGpt.Make();
        int[] prompt = TestGpt.Tokens(4, 6);
        double best = double.NegativeInfinity;
        int[] pair = [];
        double[] first = LogProbabilities(model, prompt);
        for (int one = 0; one < first.Length; one++)
        {
            double[] second = LogProbabilities(model, [.. prompt, one]);
            for (int two = 0; two < second.Length; two++)
            {
                if (first[one] + second[two] <= best) continue;
                best = first[one] + second[two];
                pair = [one, two];
            }
        }

        BeamHypothesis found =
            model.Beam([prompt], 2, new() { BeamSize = first.Length })[0].Best;
        Assert.Equal(pair, found.Tokens);
        Assert.Equal(best, found.LogProbability, 1e-4);
    }

    [Fact]
    public void RepetitionPenalty_DividesPositiveAndMultipliesNegativeLogits()
    {
        TokenSampler two = new(4, SamplingOptions.Greedy with { RepetitionPenalty = 2 });
        Assert.Equal(0, two.Next([3, 2, 1, 0], 0));
        Assert.Equal(1, two.Next([3, 2, 1, 0], 0, [0]));

        // Twice the same token counts once: 3 / 2 is more than 1, 3 / 4 would be less.
        Assert.Equal(0, two.Next([3, 1, 1, 0], 0, [0, 0]));
        Assert.Equal(1, two.Next([-1, -1.5f, -4, -5], 0, [0, 3]));
        Assert.Equal(0, two.Next([-1, -2.5f, -4, -5], 0, [0, 3]));
        Assert.Equal(0, two.Next([3, 2, 1, 0], 0));
    }

    [Fact]
    public void BadArguments_NameTheRemedy()
    {
        using Gpt model = TestGpt.Make();
        Message("Gpt: the prompt is empty; expected one token or more.",
            () => model.GenerateAll([[1], []], 3));
        Message("SamplingOptions: 'RepetitionPenalty' is 0; expected more than 0; 1 is none.",
            () => model.GenerateAll([[1]], 3, new() { RepetitionPenalty = 0 }));
        Message("SamplingOptions: 'BatchRows' is 0; expected 1 or more.",
            () => model.GenerateAll([[1]], 3, new() { BatchRows = 0 }));
        Message("SamplingOptions: 'Ends' has the token 23; expected 0 to 22. Use the model's own " +
            "tokenizer.", () => model.GenerateAll([[1]], 3, new() { Ends = [23] }));
        Message("Gpt: a prompt of 7 tokens and 6 more exceed the model's 12 positions. Beam " +
            "search needs both within them: ask for fewer tokens, or draw without a beam.",
            () => model.Beam([TestGpt.Tokens(7)], 6));
        Message("Gpt: 'tokens' is 0; expected 1 or more.", () => model.Beam([[1]], 0));
        Message("SamplingOptions: 'Ends' has the token 99; expected 0 to 22. Use the model's own " +
            "tokenizer.", () => model.Beam([[1]], 2, end: 99));
        Assert.Empty(model.GenerateAll([], 3));

        static void Message(string expected, Action act) =>
            Assert.Equal(expected, Assert.Throws<ArgumentException>(act).Message);
    }

    private static double[] LogProbabilities(Gpt model, int[] text)
    {
        double[] logits = [.. model.LogitsAfter(text).ToArray().Select(v => (double)v)];
        double total = Math.Log(logits.Sum(Math.Exp));
        return Array.ConvertAll(logits, logit => logit - total);
    }
}
