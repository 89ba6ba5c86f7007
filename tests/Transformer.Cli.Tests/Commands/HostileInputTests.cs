namespace Transformer.Cli.Tests.Commands;

/// <summary>Input that is worse than wrong: impossible sizes, empty names, control characters,
/// files in the way, two processes in one folder.</summary>
public sealed class HostileInputTests(TrainedModel model) : IClassFixture<TrainedModel>, IDisposable
{
    private const string Escape = "\u001b[31m";

    private readonly TemporaryFolder files = new();

    public void Dispose()
    {
        Assert.Empty(Directory.GetFiles(files.Path, "*.tmp", SearchOption.AllDirectories));
        files.Dispose();
    }

    [Theory]
    [InlineData("--layers", "2147483647", "'encoderLayers' is 2147483647; expected at most 1024")]
    [InlineData("--width", "2147483646", "'width' is 2147483646; expected at most 262144")]
    [InlineData("--feed-forward", "2147483647", "'feedForwardWidth' is 2147483647")]
    [InlineData("--max-positions", "200000000", "expected at most 1048576. Give a smaller size.")]
    [InlineData("--layers", "99999999999", "'layers' is '99999999999'")]
    [InlineData("--seed", "-1", "'seed' is -1")]
    public void ImpossibleSizes_AreRefusedBeforeAnyMemoryIsTaken(
        string flag, string value, string expected)
    {
        string text = files.Text("text", "a b", "b a");
        Train("--source", text, "--target", text, flag, value).IsBadInput(expected);
        Assert.False(Directory.Exists(files["m"]));
    }

    [Fact]
    public void EmptyNames()
    {
        string text = files.Text("text", "a");
        CommandLine.Run("train", "seq2seq", "--out", " ").IsBadInput(
            "train seq2seq: --out is empty. Name a folder.");
        Train("--source", "", "--target", text).IsBadInput("train seq2seq: --source is empty");
        Train("--config", "").IsBadInput("--config is empty. Name a file.");
        CommandLine.Run("translate", "--model", "", "a").IsBadInput(
            "translate: --model is empty. Name a folder.");
        CommandLine.Run("translate", "--model", model.Folder, "--input", "").IsBadInput(
            "translate: --input is empty");
        CommandLine.Run("devices", "--json", "").IsBadInput("devices: --json is empty");
    }

    /// <summary>Commands that take text do not take options that they lack for it.</summary>
    [Fact]
    public void MisspeltOptions_AreNoText()
    {
        foreach (string command in (string[])["translate", "generate", "classify", "fill-mask"])
        {
            CommandLine.Run(command, "--model", model.Folder, "a", "--beems", "4").IsBadInput(
                $"{command}: '--beems' is none of its options; see --help. A text that begins " +
                "so comes after '--'.");
        }

        CommandLine.Run("tokenizer", "encode", "--tokenizer", model.Folder, "--offset", "a")
            .IsBadInput("tokenizer encode: '--offset' is none of its options");
        CommandResult text = CommandLine.Run(
            "translate", "--model", model.Folder, "--", "--beems", "4");
        Assert.Equal(0, text.ExitCode);
    }

    [Fact]
    public void ResultsThatCannotBeWritten_AreFoundBeforeTheWork()
    {
        string text = files.Text("text", "a b", "b a"), missing = Path.Combine(files["no"], "x");
        Train("--source", text, "--target", text, "--steps", "1", "--json", missing)
            .IsBadInput("--json", "there is no folder", "Create it first");
        Assert.False(Directory.Exists(files["m"]));
        CommandResult scored = CommandLine.Run("evaluate", "--model", model.Folder, "--source",
            text, "--target", text, "--json", files.Path);
        scored.IsBadInput("--json", "is a folder. Name a file.");
        Assert.Empty(scored.Output);
        CommandLine.Run("attention-map", "--model", model.Folder, "--source", "a", "--svg",
            missing).IsBadInput("--svg", "there is no folder");
        CommandLine.Run("verify", "--quick", "--op", "Add", "--json", files.Path)
            .IsBadInput("--json", "is a folder");
    }

    [Fact]
    public void ControlCharacters_ReachNoTerminal()
    {
        CommandResult unknown = CommandLine.Run(
            "translate", "--model", model.Folder, $"{Escape}red\a cat").Succeeded();
        Assert.Contains("\\u001B[31mred\\u0007", unknown.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', unknown.Error);
        CommandLine.Run("translate", "--model", $"{files["no"]}{Escape}\r\nx", "a")
            .IsBadInput("\\u001B[31m x");
    }

    [Fact]
    public void OneFolder_IsTrainedByOneProcess()
    {
        string text = files.Text("text", "a b", "b a");
        Train("--source", text, "--target", text, "--steps", "1").Succeeded();
        Assert.False(File.Exists(Path.Combine(files["m"], "training.lock")));
        using (new FileStream(Path.Combine(files["m"], "training.lock"), FileMode.Create,
            FileAccess.Write, FileShare.None))
        {
            CommandLine.Run("train", "seq2seq", "--out", files["m"], "--resume", "--steps", "2")
                .IsBadInput("cannot lock", "training.lock", "If another process trains there");
        }

        // What a killed process leaves behind is no lock.
        Assert.True(File.Exists(Path.Combine(files["m"], "training.lock")));
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--resume", "--steps", "2")
            .Succeeded();
    }

    [Fact]
    public void SettingsFiles_OfEveryWrongKind()
    {
        Config("{\"width\": 8, \"width\": 16}").IsBadInput("config", "'width'");
        Config("{\"width\": \"eight\"}").IsBadInput("'width' is 'eight'; expected a whole number");
        Config("{\"width\": 8.5}").IsBadInput("'width' is '8.5'");
        Config("{\"width\": null}").IsBadInput("'width' is a Null");
        Config("{\"width\": true}").IsBadInput("'width' is 'true'");
        Config("{\"width\": {}}").IsBadInput("'width' is a Object");
        Train("--config", files.Path).IsBadInput("it is a folder. Name a file.");

        CommandResult Config(string json) => CommandLine.Run(
            "train", "seq2seq", "--out", files["m"], "--config", files.Text("config", json));
    }

    [Fact]
    public void LongPairs_ThatAreAllDropped_SayThatNoneIsLeft()
    {
        string text = files.Text("text", string.Join(' ', Enumerable.Repeat("a", 100_000)));
        Train("--source", text, "--target", text, "--long-pairs", "drop").IsBadInput(
            "1 of 1 pairs are longer than 128 positions", "needs 100001", "None is left");
    }

    [Fact]
    public void FewAndEmptySentences_AreLearntAndTranslated()
    {
        string source = files.Text("s", "a b", "", "  ", "c");
        string target = files.Text("t", "x", "y", "", "z");
        Train("--source", source, "--target", target, "--steps", "2").Succeeded();
        CommandResult scored = CommandLine.Run("evaluate", "--model", files["m"], "--source",
            source, "--target", files.Text("e", "", "", "", ""), "--json", "-").Succeeded();
        Assert.Contains("\"sentences\": 4", scored.Output, StringComparison.Ordinal);
        CommandResult lines = CommandLine.Run(
            "translate", "--model", files["m"], "--input", source).Succeeded();
        Assert.Equal(4, lines.Output.Count(c => c == '\n'));
        string longest = string.Concat(Enumerable.Repeat("a ", 10_000));
        CommandLine.Run("translate", "--model", files["m"], longest)
            .IsBadInput("line 1 has 10001 tokens", "128 positions");
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("10000")]
    [InlineData("2147483647")]
    public void BeamSizes(string size) =>
        CommandLine.Run("translate", "--model", model.Folder, "--beam", size, "a")
            .IsBadInput($"GenerationOptions: 'BeamSize' is {size}; expected 1 (greedy) to 4096");

    [Fact]
    public void ForeignFiles_InAModelFolder()
    {
        foreach (string file in Directory.GetFiles(model.Folder))
            File.Copy(file, files[Path.GetFileName(file)]);
        string tokenizer = files["source.tokenizer.json"], config = files["config.json"];
        string text = files.Text("words", "just three words");
        CommandLine.Run("tokenizer", "train", "--kind", "word", "--input", text, "--out",
            files["foreign.json"]).Succeeded();
        File.Copy(files["foreign.json"], tokenizer, overwrite: true);
        Translate().IsBadInput("the source tokenizer has 7 tokens", "Use the tokenizer");
        File.Copy(config, tokenizer, overwrite: true);
        Translate().IsBadInput("source.tokenizer.json", "expected a tokenizer.json file");
        File.Copy(Path.Combine(model.Folder, "source.tokenizer.json"), tokenizer, overwrite: true);
        File.WriteAllText(config, "{\"width\":1,\"width\":2}");
        Translate().IsBadInput("config.json", "'width'", "Correct the file");
        File.Delete(config);
        Directory.CreateDirectory(config);
        Translate().IsBadInput("config.json", "it is a folder");

        CommandResult Translate() =>
            CommandLine.Run("translate", "--model", files.Path, "a red cat");
    }

    private CommandResult Train(params string[] arguments) => CommandLine.Run(
        ["train", "seq2seq", "--out", files["m"], "--heads", "2",
            .. arguments.Contains("--layers") ? (string[])[] : ["--layers", "1"],
            .. arguments.Contains("--width") ? (string[])[] : ["--width", "8"], .. arguments]);
}
