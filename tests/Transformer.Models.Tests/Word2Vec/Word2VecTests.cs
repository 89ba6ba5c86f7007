using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;
using Transformer.Models.Word2Vec;

namespace Transformer.Models.Tests.Word2Vec;

public sealed class Word2VecTests
{
    private static readonly Word2VecOptions Small = new()
    {
        Width = 16, Window = 4, MinCount = 1, Epochs = 15, LearningRate = 0.05, Seed = 3,
    };

    [Fact]
    public void Step_IsTheGradientOfTheLoss()
    {
        const int Width = 7, Words = 5;
        Random random = new(2);
        float[] hidden = Draw(Width), outputs = Draw(Width * Words);
        // The word itself among the noise is passed over.
        int[] noise = [0, 3, 2, 4];
        float[] step = new float[Width], moved = [.. outputs];
        double loss = NegativeSampling.Step(hidden, moved, 2, noise, rate: 1, step);
        Assert.Equal(Loss(hidden, outputs), loss, 1e-6);
        for (int i = 0; i < Width; i++)
            Assert.Equal(-Slope(hidden, outputs, hidden, i), step[i], 1e-4);
        for (int i = 0; i < outputs.Length; i++)
            Assert.Equal(-Slope(hidden, outputs, outputs, i), moved[i] - outputs[i], 1e-4);

        float[] Draw(int count) =>
            [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];

        // In double; what changes is a float array of which one element is moved.
        double Slope(float[] h, float[] u, float[] changed, int i)
        {
            float was = changed[i], up = was + 1e-3f, down = was - 1e-3f;
            changed[i] = up;
            double above = Loss(h, u);
            changed[i] = down;
            double below = Loss(h, u);
            changed[i] = was;
            return (above - below) / ((double)up - down);
        }

        double Loss(float[] h, float[] u) => noise.Where(n => n != 2).Append(2).Sum(word =>
        {
            double product = 0;
            for (int i = 0; i < Width; i++) product += (double)h[i] * u[(word * Width) + i];
            return Math.Log(1 + Math.Exp(word == 2 ? -product : product));
        });
    }

    [Fact]
    public void AliasTable_DrawsInProportion()
    {
        double[] weights = [5, 0, 1, 0.25, 3, 0.75];
        AliasTable table = new(weights);
        SplitMix64 random = new(8);
        int[] drawn = new int[weights.Length];
        const int Draws = 200_000;
        for (int i = 0; i < Draws; i++) drawn[table.Draw(random.Next())]++;
        for (int i = 0; i < weights.Length; i++)
        {
            double share = weights[i] / weights.Sum();
            double deviation = Math.Sqrt(Draws * share * (1 - share));
            Assert.InRange(drawn[i], (Draws * share) - (4 * deviation),
                (Draws * share) + (4 * deviation));
        }
    }

    [Fact]
    public void Kept_IsThePapersProgram()
    {
        Assert.Equal(0.11, Word2VecTrainer.Kept(0.1, 1e-3), 12);
        Assert.Equal(1, Word2VecTrainer.Kept(1e-3, 1e-3));
        Assert.Equal(1, Word2VecTrainer.Kept(0.9, 0));
        Assert.InRange(Word2VecTrainer.Kept(0.003, 1e-3), 0.9, 0.92);
    }

    [Theory]
    [InlineData(Word2VecArchitecture.SkipGram)]
    [InlineData(Word2VecArchitecture.Cbow)]
    public void WordsOfATopicAreNearest(Word2VecArchitecture architecture)
    {
        WordVectors vectors = new Word2VecTrainer(TopicText.Lines(600), Small with
        {
            Architecture = architecture, Subsample = 0.02,
        }).Run();
        foreach (string[] topic in TopicText.Topics)
        {
            foreach (string word in topic)
            {
                IReadOnlyList<NearWord> near = vectors.Nearest(word, topic.Length - 1);
                Assert.All(near, n => Assert.Contains(n.Word, topic));
                Assert.True(near.Zip(near.Skip(1)).All(p => p.First.Similarity
                    >= p.Second.Similarity));
            }
        }
    }

    /// <summary>Threads take turns as they please, so that this asks for less.</summary>
    [Fact]
    public void SeveralThreads_LearnTopics()
    {
        WordVectors vectors = new Word2VecTrainer(TopicText.Lines(600), Small with
        {
            Threads = 3, Subsample = 0.02,
        }).Run();
        double within = Mean(0, 0), across = Mean(0, 1);
        Assert.True(within > across + 0.2, $"{within} within a topic, {across} across topics");

        double Mean(int one, int other) => TopicText.Topics[one].SelectMany(word =>
            vectors.Nearest(word, int.MaxValue)
                .Where(n => TopicText.Topics[other].Contains(n.Word))).Average(n => n.Similarity);
    }

    [Fact]
    public void Analogies_AreFound()
    {
        WordVectors vectors = new Word2VecTrainer(
            TopicText.Couples(3000), Small with { Width = 24, Subsample = 0 }).Run();
        Assert.Equal("queen", vectors.Analogy("man", "woman", "king")[0].Word);
        Assert.Equal("actor", vectors.Analogy("waitress", "waiter", "actress")[0].Word);
        Assert.Equal("woman", vectors.Analogy("king", "man", "queen")[0].Word);
    }

    [Fact]
    public void SameSeed_SameVectors_AndProgressIsTold()
    {
        string[] lines = TopicText.Lines(2000);
        List<Word2VecProgress> told = [];
        Word2VecOptions options = Small with { Epochs = 2 };
        WordVectors one = new Word2VecTrainer(lines, options).Run(told.Add);
        WordVectors same = new Word2VecTrainer(lines, options).Run();
        WordVectors other = new Word2VecTrainer(lines, options with { Seed = 4 }).Run();
        Assert.True(one["bread"].SequenceEqual(same["bread"]));
        Assert.False(one["bread"].SequenceEqual(other["bread"]));
        Assert.True(told.Count >= 3, $"{told.Count} reports");
        Assert.Equal(1, told[^1].Done);
        Assert.True(told[^2].Loss < told[0].Loss, $"{told[0].Loss} to {told[^2].Loss}");
    }

    [Fact]
    public void Words_AreThoseFrequentEnough_TheMostFrequentFirst()
    {
        Word2VecTrainer trainer = new(["Cats see cats.", "dogs see cats", "", "a bird"],
            Small with { MinCount = 2 });
        Assert.Equal(["cats", "see"], trainer.Words);
        Assert.Equal(5, trainer.TextLength);

        ITokenizer tokenizer = WordTokenizer.Train(["see dogs"]);
        trainer = new(["cats see dogs dogs"], Small, tokenizer);
        Assert.Equal(["dogs", "see"], trainer.Words);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Cancelled_Stops_AndDoesNotRunAgain(int threads)
    {
        using CancellationTokenSource source = new();
        Word2VecTrainer trainer = new(
            TopicText.Lines(6000), Small with { Threads = threads, Epochs = 20 });
        double done = 0;
        Assert.Throws<OperationCanceledException>(() => trainer.Run(
            progress =>
            {
                done = progress.Done;
                source.Cancel();
            },
            source.Token));
        Assert.InRange(done, 0.001, 0.9);
        Assert.StartsWith("Word2VecTrainer: 'Run' was called before.",
            Assert.Throws<InvalidOperationException>(() => trainer.Run()).Message,
            StringComparison.Ordinal);
    }

    /// <summary>A text of one line is cut into runs: progress is told on the way.</summary>
    [Fact]
    public void OneLongLine_IsLearnedInRuns()
    {
        List<Word2VecProgress> told = [];
        WordVectors vectors = new Word2VecTrainer(
            [string.Join(' ', TopicText.Lines(3000))], Small with { Epochs = 2 }).Run(told.Add);
        Assert.True(told.Count >= 4, $"{told.Count} reports");
        Assert.Equal(1, told[^1].Done);
        Assert.All(told, report => Assert.InRange(report.Loss, 0.1, 10));
        Assert.Equal(28, vectors.Words.Count);
    }

    [Fact]
    public void TooLargeSteps_AreToldOf() => Assert.EndsWith("Lower 'LearningRate'.",
        Assert.Throws<ArithmeticException>(() => new Word2VecTrainer(TopicText.Lines(200),
            Small with { LearningRate = 10, Subsample = 0, Epochs = 200, Negatives = 50 }).Run())
            .Message, StringComparison.Ordinal);

    [Fact]
    public void BadOptions_AreRefusedByName()
    {
        (Word2VecOptions Options, string Told)[] bad =
        [
            (new() { Width = 0 }, "'width' is 0; expected 1 to 65536."),
            (new() { Window = -1 }, "'window' is -1;"),
            (new() { Negatives = 2000 }, "'negatives' is 2000; expected 1 to 1024."),
            (new() { Subsample = double.NaN }, "'subsample' is NaN; expected 0 to 1."),
            (new() { LearningRate = -1 }, "'learningRate' is -1;"),
            (new() { Threads = 0 }, "'threads' is 0;"),
            (new() { Architecture = (Word2VecArchitecture)7 }, "'architecture' is 7;"),
        ];
        foreach ((Word2VecOptions options, string told) in bad)
        {
            Assert.Contains(told, Assert.Throws<ArgumentException>(
                () => new Word2VecTrainer(["a b a b"], options)).Message, StringComparison.Ordinal);
        }

        Assert.Contains("has 1 words", Assert.Throws<ArgumentException>(
            () => new Word2VecTrainer(["a a a"], Small)).Message, StringComparison.Ordinal);
    }
}
