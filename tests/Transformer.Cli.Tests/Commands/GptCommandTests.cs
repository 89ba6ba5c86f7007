using System.Text.Json;

namespace Transformer.Cli.Tests.Commands;

/// <summary>A small model of a nursery rhyme, trained by the command line.</summary>
public sealed class TrainedGpt : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TrainedGpt()
    {
        Data = folder.Text("rhyme.txt",
            [.. Enumerable.Repeat("hickory dickory dock, the mouse ran up the clock.", 24)]);
        Folder = folder["model"];
        Training = CommandLine.Run([.. Arguments(Data, Folder), "--json", folder["result.json"]]);
        Json = File.Exists(folder["result.json"]) ? File.ReadAllText(folder["result.json"]) : "";
    }

    public string Data { get; }

    public string Folder { get; }

    public CommandResult Training { get; }

    public string Json { get; }

    public static string[] Arguments(string data, string folder) =>
    [
        "train", "gpt", "--data", data, "--out", folder, "--layers", "1", "--heads", "2",
        "--width", "32", "--positions", "24", "--tokens-per-batch", "96", "--steps", "150",
        "--learning-rate", "1e-2", "--warmup", "20", "--dropout", "0.1", "--validate-every", "50",
        "--checkpoint-every", "40", "--seed", "3",
    ];

    public void Dispose() => folder.Dispose();
}

/// <summary><c>train gpt</c>, <c>generate</c> and <c>evaluate --data</c>.</summary>
public sealed class GptCommandTests(TrainedGpt model) : IClassFixture<TrainedGpt>, IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Training_LearnsAndTells()
    {
        model.Training.Succeeded();
        Assert.Contains("1080 tokens to learn, 120 to validate; vocabulary 25",
            model.Training.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(model.Json).RootElement;
        Assert.Equal(150, json.GetProperty("steps").GetInt64());
        JsonElement validations = json.GetProperty("validations");
        Assert.Equal(3, validations.GetArrayLength());

        // ln 25 before; the rhyme leaves little to guess but where a window begins.
        Assert.InRange(validations[2].GetProperty("loss").GetDouble(), 0, 0.6);
        foreach (string file in (string[])["config.json", "model.safetensors", "tokenizer.json"])
            Assert.True(File.Exists(Path.Combine(model.Folder, file)), file);
    }

    [Fact]
    public void Generate_ContinuesTheRhyme_TheSameForTheSameSeed()
    {
        string greedy = Generate("hickory dic", "--tokens", "30", "--temperature", "0");
        Assert.StartsWith("hickory dickory dock, the mouse", greedy, StringComparison.Ordinal);
        Assert.Equal(11 + 30 + Environment.NewLine.Length, greedy.Length);
        string[] hot = ["--tokens", "60", "--temperature", "3", "--top-k", "9", "--top-p", "0.95"];
        string drawn = Generate(["hickory", .. hot, "--seed", "5"]);
        Assert.Equal(drawn, Generate(["hickory", .. hot, "--seed", "5"]));
        Assert.NotEqual(drawn, Generate(["hickory", .. hot, "--seed", "6"]));
    }

    [Fact]
    public void Generate_ContinuesManyTexts_EachAsAlone()
    {
        string lines = files.Text("prompts.txt", "hickory dic", "the mo", "clock. hickory d");
        string[] cold = ["--tokens", "20", "--temperature", "0", "--batch", "2"];
        string all = Generate(["--input", lines, .. cold]);
        string[] alone = [.. File.ReadAllLines(lines).Select(text => Generate([text, .. cold]))];
        Assert.Equal(string.Join(Environment.NewLine, alone), all);
        foreach (string[] input in (string[][])[["--input", lines], ["hickory dic"]])
        {
            // Shown in the same way, and written.
            string shown = Generate([.. input, .. cold, "--json", files["texts.json"]]);
            Assert.Equal(shown, string.Join(Environment.NewLine, Rows(
                File.ReadAllText(files["texts.json"])).Select(row => row + Environment.NewLine)));
            Assert.Equal(Rows(Generate([.. input, .. cold, "--json", "-"])),
                Rows(File.ReadAllText(files["texts.json"])));
        }

        static string[] Rows(string json) => [.. JsonDocument.Parse(json).RootElement
            .EnumerateArray().Select(row => row.GetProperty("text").GetString()
                + row.GetProperty("continuation").GetString())];
    }

    [Fact]
    public void Generate_StopsBeforeAStop_AndSearchesABeam()
    {
        string[] cold = ["--tokens", "40", "--temperature", "0"];
        string greedy = Generate(["hickory dic", .. cold]);
        string stopped = Generate(["hickory dic", .. cold, "--stop", "zzz", "--stop", "mouse"]);
        Assert.Equal(
            greedy[..greedy.IndexOf("mouse", StringComparison.Ordinal)] + Environment.NewLine,
            stopped);
        string beam = Generate("hickory dic", "--tokens", "12", "--beam", "3");
        Assert.Equal("hickory dickory dock, t" + Environment.NewLine, beam);
        string penalised = Generate(["hickory dic", .. cold, "--repetition-penalty", "1e6"]);

        // Greedy it repeats words; with the penalty letters that the text lacks come first.
        Assert.True(
            penalised[11..25].Distinct().Count() > greedy[11..25].Distinct().Count(), penalised);
    }

    [Fact]
    public void Evaluate_GivesLossAndAccuracy()
    {
        string output = CommandLine.Run(
            "evaluate", "--model", model.Folder, "--data", model.Data).Succeeded().Output;
        Assert.Contains("on 1199 tokens", output, StringComparison.Ordinal);
        CommandLine.Run("evaluate", "--model", model.Folder, "--data", model.Data, "--corpus",
            "builtin").IsBadInput("--data FILE alone");
    }

    [Fact]
    public void Resumed_EndsWithTheSameBytes()
    {
        string folder = files["run"];
        string[] half = TrainedGpt.Arguments(model.Data, folder);
        half[Array.IndexOf(half, "--steps") + 1] = "70";
        CommandLine.Run([.. half, "--schedule-steps", "150"]).Succeeded();
        string[] whole = [.. TrainedGpt.Arguments(model.Data, files["whole"]),
            "--schedule-steps", "150"];
        CommandLine.Run(whole).Succeeded();
        CommandResult resumed = CommandLine.Run(
            "train", "gpt", "--out", folder, "--resume", "--steps", "150").Succeeded();
        Assert.Contains("resumed from", resumed.Output, StringComparison.Ordinal);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(files["whole"], "model.safetensors")),
            File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
    }

    [Fact]
    public void BadInput()
    {
        string shortText = files.Text("short", "as short as a line");
        Train().IsBadInput("train gpt: --data is missing. Name a text file.");
        Train("--data", files["none"]).IsBadInput("Cannot find", "none");
        Train("--data", shortText).IsBadInput("too few for a batch", "Give more text");
        Train("--data", files.Text("letter", "a")).IsBadInput("has 1 tokens", "Give more text");
        Train("--data", model.Data, "--preset", "gpt9")
            .IsBadInput("train gpt: 'preset' is 'gpt9'; expected nanogpt-cpu or gpt2");
        Train("--data", model.Data, "--width", "30").IsBadInput("'width' is 30", "Use 32");
        Train("--data", model.Data, "--positions", "0").IsBadInput("'positions' is 0");
        Train("--data", model.Data, "--layers", "two").IsBadInput("train gpt: 'layers' is 'two'");
        Assert.False(Directory.Exists(files["m"]));
        CommandLine.Run("train", "gpt", "--out", model.Folder, "--data", model.Data)
            .IsBadInput("train gpt: --out", "is not empty", "--resume");
        CommandLine.Run("train", "gpt", "--out", model.Folder, "--resume", "--width", "64")
            .IsBadInput("'n_embd' is 32 in the checkpoint and 64");
        CommandLine.Run("generate", "--model", model.Folder, "").IsBadInput("text is empty");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--tokens", "0")
            .IsBadInput("--tokens is 0");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--top-p", "2")
            .IsBadInput("'TopP' is 2");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--repetition-penalty", "0")
            .IsBadInput("'RepetitionPenalty' is 0");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--stop", "")
            .IsBadInput("a stop string is empty");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--beam", "2", "--top-k", "3")
            .IsBadInput("--top-k does not go with --beam");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--beam", "2", "--stop", "b")
            .IsBadInput("--stop does not go with --beam");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--length-penalty", "1")
            .IsBadInput("--length-penalty needs --beam");
        CommandLine.Run("generate", "--model", model.Folder, "a", "--beam", "2", "--tokens", "24")
            .IsBadInput("exceed the model's 24 positions");
        CommandLine.Run("generate", "--model", model.Folder, "--input",
            files.Text("gap.txt", "a", "", "b")).IsBadInput("text 2 is empty");
        CommandLine.Run("generate", "--model", files["none"], "a").IsBadInput("none", "Train");
        CommandLine.Run("translate", "--model", model.Folder, "a").IsBadInput("modelType");
        CommandLine.Run("bench", "--quick").IsBadInput("--quick goes with --models");
        string[][] others =
            [["--op", "Linear"], ["--scaling"], ["--svg", files["s"]], ["--size", "small"]];
        Assert.All(others, other => CommandLine.Run(["bench", "--models", .. other])
            .IsBadInput($"both {other[0]} and --models", "expected one of them"));
    }

    [Fact]
    public void Bench_MeasuresTinyModels()
    {
        string file = files["bench.json"];
        CommandResult result =
            CommandLine.Run("bench", "--models", "--quick", "--json", file).Succeeded();
        Assert.Contains("greedy decode", result.Output, StringComparison.Ordinal);
        JsonElement rows =
            JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("rows");
        Assert.Equal(5, rows.GetArrayLength());
        Assert.All(rows.EnumerateArray(),
            row => Assert.True(row.GetProperty("ms").GetDouble() > 0));
    }

    private string Generate(params string[] arguments) => CommandLine.Run(
        ["generate", "--model", model.Folder, .. arguments]).Succeeded().Output;

    private CommandResult Train(params string[] arguments) =>
        CommandLine.Run(["train", "gpt", "--out", files["m"], .. arguments]);
}
