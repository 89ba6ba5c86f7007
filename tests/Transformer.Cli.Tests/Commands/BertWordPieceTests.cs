namespace Transformer.Cli.Tests.Commands;

/// <summary>BERT with word pieces, from text to a classifier, by the command line alone.</summary>
public sealed class BertWordPieceTests : IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("json", "pieces.json")]
    [InlineData("bert", "vocab.txt")]
    public void EveryCommand_WorksOnPieces(string format, string name)
    {
        string[] kinds = ["cat meows", "dog barks", "cow moos", "duck quacks"];
        string data = files.Text("talk.txt", [.. Enumerable.Range(0, 48).SelectMany(i =>
        {
            string[] words = kinds[i % 4].Split(' ');
            return (string[])
                [$"The {words[0]} {words[1]} today", $"this {words[0]} {words[1]} again", ""];
        })]);
        string tokenizer = files[name], model = files["model"], moods = files["moods"];
        // Too few tokens for whole words: some are cut.
        CommandLine.Run("tokenizer", "train", "--kind", "wordpiece", "--input", data,
            "--vocabulary", "48", "--format", format, "--out", tokenizer).Succeeded();
        string pieces = CommandLine.Run("tokenizer", "encode", "--tokenizer", tokenizer,
            "the cat quacks", "--pieces").Succeeded().Output;
        Assert.Contains(" ##", pieces, StringComparison.Ordinal);

        CommandLine.Run("train", "bert", "--data", data, "--tokenizer", tokenizer, "--out", model,
            "--layers", "2", "--heads", "2", "--width", "32", "--positions", "32",
            "--tokens-per-batch", "768", "--steps", "160", "--learning-rate", "4e-3", "--warmup",
            "20", "--dropout", "0", "--seed", "3").Succeeded();
        CommandResult filled = CommandLine.Run(
            "fill-mask", "--model", model, "The dog [MASK] today", "--top", "2").Succeeded();
        Assert.Equal(2, filled.OutputLines[0].Split('%').Length - 1);
        CommandResult next = CommandLine.Run("next-sentence", "--model", model,
            "the cat meows today", "this cat meows again").Succeeded();
        Assert.Contains("follow", next.Output, StringComparison.Ordinal);

        string examples = files.Text("examples.tsv", [.. Enumerable.Range(0, 60).Select(
            i => $"{(i % 4 == 3 ? "bird" : "beast")}\tthe {kinds[i % 4]}")]);
        CommandLine.Run("train", "classifier", "--data", examples, "--base", model, "--out", moods,
            "--epochs", "6", "--tokens-per-batch", "64", "--learning-rate", "2e-3").Succeeded();
        Assert.StartsWith("bird ", CommandLine.Run(
            "classify", "--model", moods, "The DUCK quacks").Succeeded().Output,
            StringComparison.Ordinal);
        Assert.StartsWith("beast ", CommandLine.Run(
            "classify", "--model", moods, "the cow moos").Succeeded().Output,
            StringComparison.Ordinal);
    }
}
