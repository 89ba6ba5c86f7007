using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

/// <summary>One token a code point, and the text back as it was.</summary>
public sealed class CharacterTokenizerTests
{
    private static readonly CharacterTokenizer Tokenizer =
        CharacterTokenizer.Train(["tea\n", "été 🙂"]);

    [Fact]
    public void Ids_FollowTheOrderOfCodePoints()
    {
        Assert.Equal(4 + 7, Tokenizer.VocabularySize);
        Assert.Equal(["\n", " ", "a", "e", "t", "é", "🙂"],
            Enumerable.Range(4, 7).Select(Tokenizer.Token));
        Assert.Equal([8, 7, 6, 4, 5, 10], Tokenizer.Encode("tea\n 🙂"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("eat\n\n  tea")]
    [InlineData("🙂é🙂\n")]
    public void DecodingGivesTheTextBack(string text) =>
        Assert.Equal(text, Tokenizer.Decode(Tokenizer.Encode(text)));

    [Fact]
    public void UnknownCharacters_AreOneTokenEach()
    {
        int unknown = Tokenizer.Special.Unknown;
        Assert.Equal([8, unknown, unknown, 7], Tokenizer.Encode("tx😀e"));
        Assert.Equal([unknown, 7], Tokenizer.Encode("\uD83De"));
        Assert.Equal([unknown], Tokenizer.Encode("\uD83D"));
        Assert.Equal(5, Tokenizer.Encode("<pad>").Length);
    }

    [Fact]
    public void Files_AreReadBack()
    {
        using TemporaryFolder folder = new();
        string file = folder["tokenizer.json"];
        Tokenizer.Save(file);
        CharacterTokenizer loaded =
            Assert.IsType<CharacterTokenizer>(Transformer.Models.Text.Tokenizer.Load(file));
        Assert.Equal(Tokenizer.VocabularySize, loaded.VocabularySize);
        Assert.Equal(Tokenizer.Encode("tea é🙂"), loaded.Encode("tea é🙂"));
        string json = File.ReadAllText(file);
        File.WriteAllText(file, json.Replace("\"normalizer\": null",
            "\"normalizer\": { \"type\": \"Lowercase\" }", StringComparison.Ordinal));
        Assert.Contains("has a normalizer", Assert.Throws<InvalidDataException>(
            () => Transformer.Models.Text.Tokenizer.Load(file)).Message);
    }

    [Fact]
    public void NoText_IsRefused() => Assert.Contains("Give some text",
        Assert.Throws<ArgumentException>(() => CharacterTokenizer.Train([""])).Message);
}
