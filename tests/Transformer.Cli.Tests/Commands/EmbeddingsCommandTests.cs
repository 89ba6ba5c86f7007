using System.Text.Json;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>embeddings train|nearest|analogy</c>.</summary>
public sealed class EmbeddingsCommandTests : IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("skip-gram", "v.txt")]
    [InlineData("cbow", "v.bin")]
    public void TrainThenNearest_FindsWordsOfTheSameKind(string architecture, string name)
    {
        string[][] topics = [["bread", "butter", "cheese", "honey"],
            ["wheel", "brake", "engine", "road"]];
        Random random = new(1);
        string data = files.Text("in", [.. Enumerable.Range(0, 300).Select(i => string.Join(' ',
            Enumerable.Range(0, 8).Select(_ => topics[i % 2][random.Next(4)])))]);
        CommandLine.Run("embeddings", "train", "--data", data, "--out", files[name],
            "--architecture", architecture, "--width", "12", "--window", "3", "--epochs", "20",
            "--min-count", "10", "--subsample", "0", "--learning-rate", "0.05", "--seed", "2",
            "--json", files["train.json"]).Succeeded();
        JsonElement json = Json("train.json");
        Assert.Equal(12, json.GetProperty("width").GetInt32());
        Assert.True(json.GetProperty("loss").GetDouble() > 0);

        CommandResult shown = CommandLine.Run("embeddings", "nearest", "--vectors", files[name],
            "bread", "wheel", "--count", "3", "--json", files["near.json"]).Succeeded();
        Assert.Contains("cosine", shown.Output, StringComparison.Ordinal);
        string[] Near(int row) => [.. Json("near.json")[row].GetProperty("nearest")
            .EnumerateArray().Select(n => n.GetProperty("word").GetString()!)];
        Assert.Equal("bread", Json("near.json")[0].GetProperty("asked").GetString());
        Assert.Equal(["butter", "cheese", "honey"], Near(0).Order());
        Assert.Equal(["brake", "engine", "road"], Near(1).Order());
        string first = CommandLine.Run("embeddings", "analogy", "--vectors", files[name], "bread",
            "butter", "wheel", "--count", "1").Succeeded().OutputLines[0];
        Assert.StartsWith("bread : butter = wheel : ?", first, StringComparison.Ordinal);
    }

    [Fact]
    public void BadInput_IsAnsweredWithOneLine()
    {
        string data = files.Text("in", "a b a b"), vectors = files.Text("v.txt", "1 1", "one 1");
        string[] train = ["embeddings", "train", "--data", data, "--out", files["out.txt"]];
        CommandLine.Run([.. train, "--min-count", "3"])
            .IsBadInput("no word that occurs at least 3");
        CommandLine.Run([.. train, "--width", "0"]).IsBadInput("'width' is 0");
        CommandLine.Run("embeddings", "train", "--data", files["none"], "--out", files["o"])
            .IsBadInput("Cannot find", "none");
        CommandLine.Run("embeddings", "train", "--data", data, "--out", files["no/o"])
            .IsBadInput("--out", "there is no folder");
        CommandLine.Run("embeddings", "nearest", "--vectors", vectors, "two")
            .IsBadInput("the word 'two' has no vector");
        CommandLine.Run("embeddings", "nearest", "--vectors", vectors, "one", "--count", "0")
            .IsBadInput("'count' is 0");
        CommandLine.Run("embeddings", "analogy", "--vectors", vectors, "one", "one")
            .IsBadInput("2 words were given; expected three");
        CommandLine.Run("embeddings", "nearest", "--vectors", data, "a")
            .IsBadInput("does not begin with the number of words");
        Assert.False(File.Exists(files["out.txt"]));
    }

    private JsonElement Json(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(files[name])).RootElement;
}
