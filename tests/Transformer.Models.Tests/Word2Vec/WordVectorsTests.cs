using Transformer.Models.Tests.Interchange;
using Transformer.Models.Training;
using Transformer.Models.Word2Vec;

namespace Transformer.Models.Tests.Word2Vec;

public sealed class WordVectorsTests : IDisposable
{
    private static readonly WordVectors Four = new(
        ["north", "east", "south", "ночь"], [0, 2, 1, 0, 0, -3, 1, 1e-8f]);

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Nearest_GoesByTheCosine()
    {
        Assert.Equal([new("ночь", 1), new("north", 0), new("south", 0)],
            Four.Nearest("east").Select(n => new NearWord(n.Word, Math.Round(n.Similarity, 6))));
        Assert.Equal("south", Four.Nearest([0, -0.1f], 1)[0].Word);
        Assert.Equal(-1, Four.Nearest("north")[2].Similarity, 9);

        // b − a + c = east − north + south, of length 1 each.
        Assert.Equal("ночь", Four.Analogy("north", "east", "south")[0].Word);
    }

    [Fact]
    public void Mean_PassesOverWhatHasNoVector()
    {
        Assert.Equal([0.5f, 1f], Four.Mean("North, east: zenith!"));
        Assert.Equal([0f, 0f], Four.Mean("zenith"));
        Assert.True(Four["zenith"].IsEmpty);
    }

    [Fact]
    public void UnknownWord_IsToldOf() => Assert.StartsWith(
        "WordVectors: the word 'West' has no vector; there are 4 others.",
        Assert.Throws<ArgumentException>(() => Four.Nearest("West")).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData("vectors.txt")]
    [InlineData("vectors.bin")]
    public void Files_ComeBackBitForBit(string name)
    {
        Four.Save(folder.File(name));
        WordVectors back = WordVectors.Load(folder.File(name));
        Assert.Equal(Four.Words, back.Words);
        foreach (string word in Four.Words) Assert.True(Four[word].SequenceEqual(back[word]));
        Assert.Equal([name], folder.Names());
    }

    [Fact]
    public void FilesOfOthers_AreRead()
    {
        // fastText ends lines with a space; some write CRLF; word2vec has no line end after binary.
        File.WriteAllText(folder.File("a.vec"), "2 3\r\none 1 2 3 \r\ntwo -1e-3 .5 4\n");
        WordVectors text = WordVectors.Load(folder.File("a.vec"));
        Assert.Equal([-0.001f, 0.5f, 4f], text["two"].ToArray());
        File.WriteAllBytes(folder.File("a.bin"),
        [
            .. "2 1\n"u8, .. "one "u8, .. BitConverter.GetBytes(1.5f), .. "two "u8,
            .. BitConverter.GetBytes(-2f),
        ]);
        Assert.Equal(-2f, WordVectors.Load(folder.File("a.bin"))["two"][0]);
    }

    [Theory]
    [InlineData("", "does not begin with the number of words")]
    [InlineData("hello", "does not begin with the number of words")]
    [InlineData("2 3\none 1 2 3\n", "is cut off before word 2")]
    [InlineData("1 3\none 1 2\n", "has 2 numbers for 'one'; expected 3")]
    [InlineData("1 2\none 1 x\n", "has a vector of 'one' that is no 2 numbers")]
    [InlineData("1 2\none 1 2 3\n", "has a vector of 'one' that is no 2 numbers")]
    [InlineData("2 1\none 1\none 2\n", "has the word 'one' twice")]
    [InlineData("1 1\none NaN\n", "has a number that is not finite")]
    [InlineData("1 1\none 1\ntwo 2\n", "goes on after the 1 words")]
    [InlineData("2000000000 60000\none 1\n", "is cut off: it tells of 2000000000 words")]
    public void DamagedFiles_AreOneClearLine(string text, string told)
    {
        File.WriteAllText(folder.File("bad.txt"), text);
        InvalidDataException e = Assert.Throws<InvalidDataException>(
            () => WordVectors.Load(folder.File("bad.txt")));
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
        Assert.Contains("bad.txt", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("fuzz.txt")]
    [InlineData("fuzz.bin")]
    public void FilesOfAnyBytes_AreReadOrRefused(string name)
    {
        Four.Save(folder.File(name));
        byte[] good = File.ReadAllBytes(folder.File(name));
        Random random = new(6);
        int refused = 0;
        for (int round = 0; round < 400; round++)
        {
            byte[] bad = good[..(round % 3 == 0 ? random.Next(good.Length) : good.Length)];
            for (int i = 0; i < round % 4 && bad.Length > 0; i++)
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(folder.File(name), bad);
            try
            {
                WordVectors.Load(folder.File(name));
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 150, 400);
    }

    [Fact]
    public void Classifier_TellsTopics_ButNotTheOrderOfWords()
    {
        WordVectors vectors = new Word2VecTrainer(
            TopicText.Lines(600), new() { Width = 16, MinCount = 1, Seed = 1 }).Run();
        LabelledText[] topics = [.. TopicText.Lines(200, seed: 9)
            .Select((line, i) => new LabelledText($"topic {i % 3}", line))];
        EmbeddingClassifier classifier = EmbeddingClassifier.Train(vectors, topics[..120]);
        Assert.Equal(["topic 0", "topic 1", "topic 2"], classifier.Labels);
        Assert.Equal(1, classifier.Accuracy(topics[120..]));
        IReadOnlyList<ClassGuess> guesses = classifier.Classify("cheese and soup");
        Assert.Equal("topic 0", guesses[0].Label);
        Assert.Equal(1, guesses.Sum(g => g.Probability), 1e-6);

        // The same words the other way round have the same mean.
        LabelledText[] orders = [.. topics.SelectMany(t => (LabelledText[])
            [new("forth", t.Text), new("back", string.Join(' ', t.Text.Split(' ').Reverse()))])];
        Assert.Equal(0.5, EmbeddingClassifier.Train(vectors, orders).Accuracy(orders), 0.05);
    }

    [Fact]
    public void ClassifierOfNothing_IsRefused()
    {
        Assert.Contains("have 1 classes", Assert.Throws<ArgumentException>(() =>
            EmbeddingClassifier.Train(Four, [new("a", "north")])).Message,
            StringComparison.Ordinal);
        Assert.Contains("no word of the examples has a vector", Assert.Throws<ArgumentException>(
            () => EmbeddingClassifier.Train(Four, [new("a", "x"), new("b", "y")])).Message,
            StringComparison.Ordinal);
    }
}
