using Transformer.Backends;

namespace Transformer.Models.Tests.Models;

public sealed class GenerationTests
{
    private static readonly int[] Lengths = [3, 7, 1, 12, 5, 5, 9];

    [Theory]
    [MemberData(nameof(TestModels.Variants), MemberType = typeof(TestModels))]
    public void Cache_GivesTheSameTokens(string variant)
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Variant(variant));
        int[][] sources = TestModels.Sentences(1, Lengths);
        GenerationOptions greedy = new() { MaxLength = 14, BeamSize = 1 };
        int[][] cached = model.Greedy(sources, greedy);
        Assert.Equal(model.Greedy(sources, greedy with { UseCache = false }), cached);
        Assert.True(cached.Distinct(SameTokens.Instance).Count() > 3, "sentences should differ");

        GenerationOptions beam = new() { MaxLength = 10, BeamSize = 3 };
        BeamResult[] expected = model.Beam(sources, beam with { UseCache = false });
        BeamResult[] actual = model.Beam(sources, beam);
        for (int i = 0; i < sources.Length; i++)
        {
            Assert.Equal(expected[i].Best.Tokens, actual[i].Best.Tokens);
            // Two orders of summation in fp32, added up over ten tokens.
            Assert.Equal(expected[i].Best.Score, actual[i].Best.Score, 3);
        }
    }

    [Fact]
    public void Cache_GivesTheSameTokens_OnTheReference()
    {
        using Seq2SeqTransformer reference =
            TestModels.Make(TestModels.Config, BackendRegistry.Reference);
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(2, 4, 2);
        GenerationOptions options = new() { MaxLength = 6, BeamSize = 2 };
        int[][] expected = reference.Generate(sources, options with { UseCache = false });
        Assert.Equal(expected, reference.Generate(sources, options));
        Assert.Equal(expected, model.Generate(sources, options));
    }

    [Fact]
    public void BeamOfOne_IsGreedy()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(3, Lengths);
        GenerationOptions options = new() { MaxLength = 12, BeamSize = 1 };
        Assert.Equal(
            model.Greedy(sources, options),
            model.Beam(sources, options).Select(r => r.Best.Tokens.ToArray()));
    }

    [Fact]
    public void WiderBeams_FindBetterScores()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(4, Lengths);
        double Total(int beam) => model.Beam(sources, new()
        {
            MaxLength = 6,
            BeamSize = beam,
            LengthPenalty = 0,
        }).Sum(r => r.Best.LogProbability);

        Assert.True(Total(8) > Total(1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Batches_DoNotMatter(int beam)
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(5, Lengths);
        GenerationOptions options = new() { MaxLength = 9, BeamSize = beam };
        int[][] together = model.Generate(sources, options);
        Assert.Equal(together, model.Generate(sources, options with { BatchRows = 3 }));
        Assert.Equal(together, sources.SelectMany(s => model.Generate([s], options)));
    }

    [Fact]
    public void Sessions_AreReplayed()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(6, Lengths);
        GenerationOptions options = new() { MaxLength = 9, BeamSize = 2 };
        int[][] first = model.Generate(sources, options);
        for (int rows = 2; rows < 14; rows += 2) // more shapes than are kept
            model.Generate(sources, options with { BatchRows = rows });
        Assert.Equal(first, model.Generate(sources, options));
        Assert.Equal(first, model.Generate(sources, options));
    }

    [Fact]
    public void SpecialTokens_AreNeverWritten()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config, seed: 9);
        int[][] sources = TestModels.Sentences(7, Lengths);
        foreach (int beam in (int[])[1, 3])
        {
            int[][] sentences = model.Generate(sources, new() { BeamSize = beam });
            int[] written = [.. sentences.SelectMany(t => t)];
            Assert.NotEmpty(written);
            Assert.DoesNotContain(model.Config.PadId, written);
            Assert.DoesNotContain(model.Config.BosId, written);
            Assert.DoesNotContain(model.Config.EosId, written);
        }
    }

    [Fact]
    public void Length_IsLimited()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        int[][] sources = TestModels.Sentences(8, 40, 2);
        Assert.All(model.Greedy(sources), t => Assert.InRange(t.Length, 0, 40));
        Assert.All(model.Greedy(sources, new() { MaxLength = 1 }),
            t => Assert.InRange(t.Length, 0, 1));
        Assert.Empty(model.Greedy([]));
    }

    [Fact]
    public void BadSentences_AreRefused()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        string Message(int[][] sources, GenerationOptions? options = null) =>
            Assert.Throws<ArgumentException>(() => model.Generate(sources, options)).Message;

        Assert.Equal(
            "Seq2SeqTransformer: sentence 2 is empty; expected 1 to 40 tokens. Leave it out.",
            Message([[5], []]));
        Assert.Equal(
            "Seq2SeqTransformer: sentence 1 has 41 tokens; the model has 40 positions. Shorten " +
            "or split the sentence, or train a model with a larger maxPositions.",
            Message(TestModels.Sentences(1, 41)));
        Assert.Equal(
            "Seq2SeqTransformer: sentence 1 has the token -1; expected 0 to 22. Use the model's " +
            "own tokenizer.", Message([[5, -1]]));
        Assert.Equal(
            "Seq2SeqTransformer: the longest translation allowed has 41 tokens; the model has 40 " +
            "positions. Shorten or split the sentence, or train a model with a larger " +
            "maxPositions.", Message([[5]], new() { MaxLength = 41 }));
        Assert.Equal("GenerationOptions: 'BeamSize' is 0; expected 1 (greedy) to 4096.",
            Message([[5]], new() { BeamSize = 0 }));
        Assert.Equal("GenerationOptions: 'LengthPenalty' is NaN; expected 0 (none) or more.",
            Message([[5]], new() { LengthPenalty = double.NaN }));
    }

    [Fact]
    public void Greedy_AllocatesNothingOfTheVocabularysSize()
    {
        using Seq2SeqTransformer model = new(
            TestModels.Config with { TargetVocabulary = 5000 }, BackendRegistry.Cpu, 1);
        int[][] sources = TestModels.Sentences(1, 4, 4);
        GenerationOptions options = new() { MaxLength = 30, BeamSize = 1 };
        model.Greedy(sources, options);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int tokens = model.Greedy(sources, options).Sum(t => t.Length);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(tokens > 20, "the sentences should be long");
        Assert.True(allocated < 4 * 5000, $"{allocated} bytes"); // one row of logits, in floats
    }

    private sealed class SameTokens : IEqualityComparer<int[]>
    {
        public static SameTokens Instance { get; } = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] tokens) => tokens.Length;
    }
}
