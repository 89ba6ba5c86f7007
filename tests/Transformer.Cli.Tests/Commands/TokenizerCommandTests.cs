namespace Transformer.Cli.Tests.Commands;

public sealed class TokenizerCommandTests
{
    [Theory]
    [InlineData("word", "the cat is here")]
    [InlineData("bpe", "The cat, naïve as ever — здесь!")]
    public void EncodeThenDecode_GivesTheText(string kind, string text)
    {
        using TemporaryFolder files = new();
        string input = files.Text("in", "the cat is here", "the dog is here");
        CommandLine.Run("tokenizer", "train", "--kind", kind, "--input", input, "--vocabulary",
            "300", "--out", files["t.json"]).Succeeded();
        string ids = CommandLine.Run(
            "tokenizer", "encode", "--tokenizer", files["t.json"], text).Succeeded().OutputLines[0];
        Assert.Matches("^[0-9]+( [0-9]+)*$", ids);
        string back = CommandLine.Run(
            "tokenizer", "decode", "--tokenizer", files["t.json"], ids).Succeeded().OutputLines[0];
        Assert.Equal(text, back);
    }

    [Fact]
    public void Encode_TakesFilesAndShowsPieces()
    {
        using TemporaryFolder files = new();
        string input = files.Text("in", "One two", "two three");
        CommandLine.Run("tokenizer", "train", "--kind", "word", "--lowercase", "--input", input,
            input, "--out", files["t.json"]).Succeeded();
        string text = files.Text("text", "ONE four", "three");
        CommandResult pieces = CommandLine.Run("tokenizer", "encode", "--tokenizer",
            files["t.json"], "--pieces", "--input", text).Succeeded();
        Assert.Equal(["one <unk>", "three"], pieces.OutputLines);
    }

    [Fact]
    public void BadInput_IsAnsweredWithOneLine()
    {
        using TemporaryFolder files = new();
        string input = files.Text("in", "a b");
        string tokenizer = files["t.json"];
        CommandLine.Run("tokenizer", "train", "--kind", "word", "--input", files["none"], "--out",
            tokenizer).IsBadInput("Cannot find", "none");
        CommandLine.Run("tokenizer", "train", "--kind", "word", "--input", input, "--vocabulary",
            "0", "--out", tokenizer).IsBadInput("'VocabularySize' is 0", "at least 5");
        CommandLine.Run("tokenizer", "train", "--kind", "bpe", "--lowercase", "--input", input,
            "--out", tokenizer).IsBadInput("lower case");
        CommandLine.Run("tokenizer", "encode", "--tokenizer", files.Text("cut.json", "{\"model\":"),
            "a").IsBadInput("cut.json", "not JSON or is cut off");
        CommandLine.Run("tokenizer", "train", "--kind", "word", "--input", input, "--out",
            tokenizer).Succeeded();
        CommandLine.Run("tokenizer", "decode", "--tokenizer", tokenizer, "99")
            .IsBadInput("id 99", "0 to 5");
        CommandLine.Run("tokenizer", "decode", "--tokenizer", tokenizer, "4 x")
            .IsBadInput("'x' is no token id");
    }
}
