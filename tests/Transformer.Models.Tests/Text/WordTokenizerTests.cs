using System.Text.RegularExpressions;
using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

public class WordTokenizerTests
{
    private static readonly WordTokenizer Sample = WordTokenizer.Train(SampleText.Lines);

    [Fact]
    public void Decode_RestoresKnownSentences()
    {
        foreach (string line in SampleText.Lines)
            Assert.Equal(line, Sample.Decode(Sample.Encode(line)));
    }

    [Theory]
    [InlineData("You aren't well-known.", "You|aren't|well-known|.")]
    [InlineData("rock’s 'end'", "rock’s|'|end|'")]
    [InlineData("1,000.50 at 10:30, 5.", "1,000.50|at|10:30|,|5|.")]
    [InlineData("a.b,c:d", "a|.|b|,|c|:|d")]
    [InlineData("--a- -b?!", "-|-|a|-|-|b|?|!")]
    [InlineData("<pad> x_1", "<|pad|>|x_1")]
    [InlineData("кто-то\tпришёл\n", "кто-то|пришёл")]
    [InlineData("𝒜𝒷 😀😀", "𝒜𝒷|😀|😀")]
    [InlineData(" \u00A0 ", "")]
    public void Splitter_CutsWordsAndMarks(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', Split(text)));

    [Fact]
    public void Splitter_AgreesWithItsPattern() => RandomText.Check(RandomText.BasicPlane, text =>
        Regex.Matches(text, WordSplitter.Pattern).Select(m => m.Value).SequenceEqual(Split(text)));

    [Fact]
    public void Encode_GivesUnknownIdForUnknownWords()
    {
        int[] ids = Sample.Encode("I am Napoleon.");
        Assert.Equal(
            [Sample.Id("I"), Sample.Id("am"), Sample.Special.Unknown, Sample.Id(".")], ids);
        Assert.Equal("I am.", Sample.Decode(ids));
    }

    [Fact]
    public void Encode_NeverGivesSpecialIdsForTheirNames()
    {
        foreach (string name in SpecialTokens.Names)
            Assert.All(Sample.Encode(name), id => Assert.Equal(Sample.Special.Unknown, id));
    }

    [Fact]
    public void Encode_AddsTheChosenSpecialTokens()
    {
        int student = Sample.Id("студент");
        Assert.Equal([student], Sample.Encode("студент"));
        Assert.Equal([2, student, 3], Sample.Encode("студент", addBos: true, addEos: true));
        Assert.Equal([3], Sample.Encode("", addBos: false, addEos: true));
        Assert.Equal("студент", Sample.Decode([2, student, 3, 0, 0]));
    }

    [Fact]
    public void Train_OrdersByFrequencyThenOrdinal()
    {
        WordTokenizer tokenizer = WordTokenizer.Train(["b a c", "a b Z", "я a"]);
        Assert.Equal(
            ["<pad>", "<unk>", "<bos>", "<eos>", "a", "b", "Z", "c", "я"],
            Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.Token));
        Assert.Equal(new SpecialTokens(0, 1, 2, 3), tokenizer.Special);
    }

    [Fact]
    public void Train_KeepsToSizeAndFrequency()
    {
        string[] lines = ["a a a b b c"];
        Assert.Equal(6, WordTokenizer.Train(lines, new() { VocabularySize = 6 }).VocabularySize);
        WordTokenizer frequent = WordTokenizer.Train(lines, new() { MinFrequency = 3 });
        Assert.Equal([4, 1, 1], frequent.Encode("a b c"));
    }

    [Fact]
    public void Lowercase_FoldsTrainingAndInput()
    {
        WordTokenizer tokenizer = WordTokenizer.Train(["Я Студент"], new() { Lowercase = true });
        Assert.Equal("я студент", tokenizer.Decode(tokenizer.Encode("я СТУДЕНТ")));
    }

    [Theory]
    [InlineData(4, 1, "'VocabularySize' is 4; expected at least 5")]
    [InlineData(-1, 1, "'VocabularySize' is -1")]
    [InlineData(9, 0, "'MinFrequency' is 0; expected at least 1.")]
    [InlineData(9, 3, "no word that occurs at least 3 times")]
    public void Train_ThrowsOnBadOptions(int size, int frequency, string message)
    {
        WordTokenizerOptions options = new() { VocabularySize = size, MinFrequency = frequency };
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => WordTokenizer.Train(["a a b"], options));
        Assert.StartsWith("WordTokenizer: ", e.Message);
        Assert.Contains(message, e.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void Decode_ThrowsOnForeignId(int id)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => Sample.Decode([id]));
        Assert.Equal(
            $"Tokenizer: id {id} is outside the vocabulary; expected 0 to " +
            $"{Sample.VocabularySize - 1}. Use the tokenizer that the ids were made with.",
            e.Message);
        Assert.Throws<ArgumentException>(() => Sample.Token(id));
    }

    [Theory]
    [InlineData("\"", "a", "\"a")]
    [InlineData("a|'", "", "a'")]
    [InlineData("a|\"|b|\"|c|\"", "", "a \"b\" c\"")]
    [InlineData("“|a|”|,|„|b|“", "", "“a”, „b“")]
    public void Joiner_PairsQuotes(string tokens, string last, string expected)
    {
        string[] all = last.Length > 0 ? [.. tokens.Split('|'), last] : tokens.Split('|');
        Assert.Equal(expected, WordJoiner.Join(all));
    }

    private static List<string> Split(string text)
    {
        List<string> words = [];
        foreach (ReadOnlySpan<char> word in new WordSplitter(text)) words.Add(word.ToString());
        return words;
    }
}
