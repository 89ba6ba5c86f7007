namespace Transformer.Cli.Tests.Commands;

/// <summary>Bad input is answered with one line that says what is wrong, and exit code 2.
/// </summary>
public sealed class BadInputTests(TrainedModel model) : IClassFixture<TrainedModel>, IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void UnknownOptionsAndCommands()
    {
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--frobnicate", "3")
            .IsBadInput("--frobnicate", "See 'transformer train seq2seq --help'");
        CommandLine.Run("fly").IsBadInput("fly");
        CommandLine.Run("translate", "a").IsBadInput("--model");
        CommandLine.Run("translate", "--model", model.Folder, "--backend", "abacus", "a")
            .IsBadInput("abacus", "simd");
    }

    [Fact]
    public void TextFiles()
    {
        string two = files.Text("two", "a", "b"), one = files.Text("one", "a");
        string empty = files["empty"], broken = files["broken"];
        File.WriteAllBytes(empty, []);
        File.WriteAllBytes(broken, [(byte)'a', (byte)'\n', 0xFF, 0xFE, (byte)'\n']);
        Train("--source", files["none"], "--target", two).IsBadInput("Cannot find", "none");
        Train("--source", empty, "--target", two).IsBadInput("empty", "is empty");
        Train("--source", two, "--target", one).IsBadInput("2 lines", "has 1");
        Train("--source", broken, "--target", two).IsBadInput("line 2", "0xFF", "UTF-8");
        Train("--source", two).IsBadInput("--target is missing");
        Train("--source", two, "--target", two, "--valid-source", two)
            .IsBadInput("--valid-target is missing");
        Train("--corpus", "builtin", "--source", two).IsBadInput("one of them");
        CommandLine.Run("translate", "--model", model.Folder, "--input", empty)
            .IsBadInput("is empty");
        CommandLine.Run("evaluate", "--model", model.Folder, "--source", two, "--target", one)
            .IsBadInput("2 lines");
        Assert.False(Directory.Exists(files["m"]));
    }

    [Theory]
    [InlineData("--layers", "0", "'encoderLayers' is 0")]
    [InlineData("--layers", "-3", "'encoderLayers' is -3")]
    [InlineData("--layers", "two", "'layers' is 'two'")]
    [InlineData("--width", "33", "multiple of the 4 heads")]
    [InlineData("--heads", "0", "'heads' is 0")]
    [InlineData("--feed-forward", "-1", "'feedForwardWidth' is -1")]
    [InlineData("--max-positions", "0", "'maxPositions' is 0")]
    [InlineData("--vocabulary", "-1", "'VocabularySize' is -1")]
    [InlineData("--dropout", "1", "'dropout' is 1")]
    [InlineData("--norm", "middle", "expected pre or post")]
    [InlineData("--tokens-per-batch", "0", "'tokensPerBatch' is 0")]
    [InlineData("--steps", "-1", "'maxSteps' is -1")]
    [InlineData("--epochs", "0", "at least one limit")]
    [InlineData("--learning-rate", "-1", "'learningRate' is -1")]
    [InlineData("--learning-rate", "nan", "'learningRate'")]
    [InlineData("--label-smoothing", "1", "'labelSmoothing' is 1")]
    [InlineData("--bleu-every", "-1", "'bleu-every' is -1")]
    [InlineData("--best-by", "beauty", "expected loss or accuracy or bleu")]
    public void Settings(string flag, string value, string expected)
    {
        string text = files.Text("text", "a b", "b a");
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--source", text, "--target",
            text, "--valid-source", text, "--valid-target", text, "--validate-every", "1", flag,
            value).IsBadInput(expected);
    }

    [Fact]
    public void SettingsFiles()
    {
        Train("--config", files["none.json"]).IsBadInput("none.json");
        Train("--config", files.Text("c1", "{\"wdth\": 3}")).IsBadInput("c1", "'wdth'", "width");
        Train("--config", files.Text("c2", "{\"width\": 3")).IsBadInput("c2");
        Train("--config", files.Text("c3", "[1]")).IsBadInput("c3", "expected an object");
        Train("--config", files.Text("c4", "{\"width\": [1]}")).IsBadInput("c4", "'width'");
    }

    [Fact]
    public void LongSentences()
    {
        string text = files.Text("text", "a b c", "b a");
        Train("--source", text, "--target", text, "--max-positions", "3")
            .IsBadInput("1 of 2 pairs", "longer than 3 positions");
        Train("--source", text, "--target", text, "--max-positions", "3", "--long-pairs", "drop",
            "--steps", "1").Succeeded();
        CommandLine.Run("translate", "--model", files["m"], "a b a").IsBadInput("4 tokens", "3");
        CommandLine.Run("translate", "--model", files["m"], "--input", text)
            .IsBadInput("line 1", "4 tokens");
        CommandLine.Run("attention-map", "--model", files["m"], "--source", "a b", "--target",
            "a b a").IsBadInput("4 tokens");
    }

    [Fact]
    public void Folders()
    {
        string text = files.Text("text", "a b", "b a");
        CommandLine.Run("translate", "--model", files["none"], "a").IsBadInput("none");
        CommandLine.Run("train", "seq2seq", "--out", files["none"], "--resume")
            .IsBadInput("no training", "none");
        CommandLine.Run("train", "seq2seq", "--out", model.Folder, "--source", text, "--target",
            text).IsBadInput("is not empty", "--resume");
        CommandLine.Run("train", "seq2seq", "--out", text).IsBadInput("is a file");
        CommandLine.Run("train", "seq2seq", "--out", model.Folder, "--resume", "--width", "64")
            .IsBadInput("'width' is 32 in the checkpoint and 64");
        CommandLine.Run("train", "seq2seq", "--out", model.Folder, "--resume", "--seed", "9")
            .IsBadInput("'seed' is 1 in the checkpoint and 9");
    }

    [Fact]
    public void DamagedModels()
    {
        foreach (string file in Directory.GetFiles(model.Folder))
            File.Copy(file, files[Path.GetFileName(file)]);
        string weights = files["model.safetensors"], config = files["config.json"];
        byte[] whole = File.ReadAllBytes(weights);
        File.WriteAllBytes(weights, whole[..^100]);
        Translate().IsBadInput("model.safetensors");
        File.WriteAllBytes(weights, []);
        Translate().IsBadInput("model.safetensors");
        File.WriteAllBytes(weights, whole);
        Translate().Succeeded();
        string json = File.ReadAllText(config);
        File.WriteAllText(config, json.Replace("\"feedForwardWidth\": 128",
            "\"feedForwardWidth\": 64", StringComparison.Ordinal));
        Translate().IsBadInput("model.safetensors", "config.json");
        File.WriteAllText(config, json[..^20]);
        Translate().IsBadInput("config.json");
        File.WriteAllText(config, json);
        File.Delete(files["source.tokenizer.json"]);
        Translate().IsBadInput("source.tokenizer.json");
    }

    [Fact]
    public void DamagedCheckpoints_ArePassedOverOrRefused()
    {
        string text = files.Text("text", "a b", "b a");
        Train("--source", text, "--target", text, "--steps", "4", "--checkpoint-every", "2")
            .Succeeded();
        string[] checkpoints =
            [.. Directory.GetFiles(Path.Combine(files["m"], "checkpoints")).Order()];
        Assert.Equal(2, checkpoints.Length);
        File.WriteAllBytes(checkpoints[1], File.ReadAllBytes(checkpoints[1])[..^7]);
        CommandResult resumed =
            CommandLine.Run("train", "seq2seq", "--out", files["m"], "--resume").Succeeded();
        Assert.Contains("passed over", resumed.Output, StringComparison.Ordinal);
        Assert.Contains($"resumed from {checkpoints[0]}", resumed.Output, StringComparison.Ordinal);
        foreach (string file in checkpoints) File.WriteAllBytes(file, [1, 2, 3]);
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--resume")
            .IsBadInput("every checkpoint", "is damaged");
    }

    [Fact]
    public void Generation()
    {
        CommandLine.Run("translate", "--model", model.Folder, "--beam", "0", "a")
            .IsBadInput("'BeamSize' is 0");
        CommandLine.Run("translate", "--model", model.Folder, "--max-length", "0", "a")
            .IsBadInput("--max-length is 0");
        CommandLine.Run("translate", "--model", model.Folder, "--length-penalty", "-1", "a")
            .IsBadInput("'LengthPenalty' is -1");
        CommandLine.Run("translate", "--model", model.Folder, " ").IsBadInput("the text is empty");
        CommandLine.Run("attention-map", "--model", model.Folder, "--source", "a", "--layer", "2")
            .IsBadInput("--layer is '2'", "1 to 1");
        CommandLine.Run("evaluate", "--model", model.Folder).IsBadInput("--source FILE");
        CommandLine.Run("demo", "--seconds", "0").IsBadInput("--seconds is 0");
    }

    private CommandResult Translate() =>
        CommandLine.Run("translate", "--model", files.Path, "a red cat");

    private CommandResult Train(params string[] arguments) => CommandLine.Run(
        ["train", "seq2seq", "--out", files["m"], "--layers", "1", "--width", "8", .. arguments]);
}
