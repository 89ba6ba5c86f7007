using System.Text.Json;
using Transformer.Cli.Commands.Train;
using Transformer.Models.Training;

namespace Transformer.Cli.Tests.Commands;

/// <summary>A small encoder-only model of made-up talk, trained by the command line.</summary>
public sealed class TrainedBert : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TrainedBert()
    {
        // Each document is of one kind of animal: its sound belongs to its name.
        (string Animal, string Sound)[] kinds =
            [("cat", "meows"), ("dog", "barks"), ("cow", "moos"), ("duck", "quacks")];
        Data = folder.Text("talk.txt", [.. Enumerable.Range(0, 48).SelectMany(i =>
        {
            (string animal, string sound) = kinds[i % 4];
            return (string[])
            [
                $"the {animal} {sound} today", $"this {animal} {sound} again",
                $"every {animal} always {sound}", "",
            ];
        })]);
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
        "train", "bert", "--data", data, "--out", folder, "--layers", "2", "--heads", "2",
        "--width", "32", "--positions", "16", "--tokens-per-batch", "768", "--steps", "500",
        "--learning-rate", "4e-3", "--warmup", "50", "--dropout", "0", "--validate-every", "100",
        "--checkpoint-every", "70", "--seed", "3",
    ];

    public void Dispose() => folder.Dispose();
}

/// <summary><c>train bert</c>, <c>fill-mask</c>, <c>next-sentence</c>, <c>train classifier</c> and
/// <c>classify</c>.</summary>
public sealed class BertCommandTests(TrainedBert model) : IClassFixture<TrainedBert>, IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Training_LearnsAndTells()
    {
        model.Training.Succeeded();
        Assert.Contains("sentences of 43 documents to learn, 15 to validate; vocabulary 21",
            model.Training.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(model.Json).RootElement;
        Assert.Equal(500, json.GetProperty("steps").GetInt64());
        JsonElement validations = json.GetProperty("validations");
        Assert.Equal(5, validations.GetArrayLength());
        JsonElement last = validations[4];

        // Nothing learned: ln 21 = 3.04, and half of the pairs. Most words follow from the others;
        // two of three texts from elsewhere begin with a sentence that never comes next.
        Assert.InRange(last.GetProperty("loss").GetDouble(), 0, 1);
        Assert.InRange(last.GetProperty("nextAccuracy").GetDouble(), 0.7, 1);
        foreach (string file in (string[])["config.json", "model.safetensors", "tokenizer.json"])
            Assert.True(File.Exists(Path.Combine(model.Folder, file)), file);
    }

    [Fact]
    public void FillMask_KnowsTheSounds()
    {
        string json = files["masks.json"];
        CommandResult result = CommandLine.Run(
            "fill-mask", "--model", model.Folder, "the dog [MASK] today", "--top", "3", "--json",
            json).Succeeded();
        Assert.StartsWith("barks ", result.Output, StringComparison.Ordinal);
        JsonElement masks = JsonDocument.Parse(File.ReadAllText(json)).RootElement[0]
            .GetProperty("masks");
        Assert.Equal(1, masks.GetArrayLength());
        Assert.Equal(3, masks[0].GetArrayLength());
        Assert.Equal("barks", masks[0][0].GetProperty("token").GetString());
        CommandResult two = CommandLine.Run(
            "fill-mask", "--model", model.Folder, "every [MASK] always [MASK]").Succeeded();
        Assert.Equal(2, two.OutputLines.Length);
        string lines = files.Text("lines", "the cow [MASK] today", "the duck [MASK] today");
        Assert.Equal(["moos", "quacks"], CommandLine.Run(
            "fill-mask", "--model", model.Folder, "--input", lines, "--top", "1").Succeeded()
            .OutputLines.Select(line => line.Split(' ')[0]));
    }

    [Fact]
    public void Evaluate_ScoresMasksAndPairs()
    {
        CommandResult scored = CommandLine.Run("evaluate", "--model", model.Folder, "--data",
            model.Data, "--json", files["scores.json"]).Succeeded();
        Assert.Contains(" masked tokens, nextLoss ", scored.Output, StringComparison.Ordinal);
        JsonElement scores = JsonDocument.Parse(File.ReadAllText(files["scores.json"])).RootElement;
        Assert.InRange(scores.GetProperty("loss").GetDouble(), 0, 1);
        Assert.InRange(scores.GetProperty("nextAccuracy").GetDouble(), 0.7, 1);
        CommandLine.Run("evaluate", "--model", model.Folder, "--data", files["none"])
            .IsBadInput("Cannot find", "none");
        CommandLine.Run("evaluate", "--model", files["no"], "--data", model.Data).IsBadInput("no");
    }

    [Fact]
    public void NextSentence_KnowsTheOrderOfTheTalk()
    {
        // The second text of a pair took all sentences there was room for; what opens a document
        // follows nothing.
        const string Next = "this cow moos again every cow always moos",
            Opening = "the dog barks today this dog barks again";
        CommandResult follows = CommandLine.Run(
            "next-sentence", "--model", model.Folder, "the cow moos today", Next).Succeeded();
        Assert.StartsWith("follows (", follows.Output, StringComparison.Ordinal);
        string pairs = files.Text(
            "pairs", $"the cow moos today\t{Opening}", $"the cow moos today\t{Next}");
        CommandResult both = CommandLine.Run("next-sentence", "--model", model.Folder, "--input",
            pairs, "--json", files["next.json"]).Succeeded();
        Assert.StartsWith("does not follow (", both.OutputLines[0], StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(File.ReadAllText(files["next.json"])).RootElement;
        Assert.InRange(json[0].GetProperty("follows").GetDouble(), 0, 0.1);
        Assert.InRange(json[1].GetProperty("follows").GetDouble(), 0.6, 1);
    }

    [Fact]
    public void Classifier_IsFineTuned()
    {
        string[] kinds =
        [
            "bird\tthe duck quacks today", "beast\tthis cow moos again",
            "beast\tevery dog always barks", "bird\tthis duck quacks again",
        ];
        string data = files.Text(
            "animals.tsv", [.. Enumerable.Range(0, 80).Select(i => kinds[i % 4])]);
        string folder = files["classifier"];
        CommandResult training = CommandLine.Run(
            "train", "classifier", "--data", data, "--base", model.Folder, "--out", folder,
            "--epochs", "6", "--tokens-per-batch", "64", "--learning-rate", "2e-3").Succeeded();
        Assert.Contains("72 texts to learn, 8 to validate; classes beast, bird",
            training.Output, StringComparison.Ordinal);
        Assert.Contains(", accuracy ", training.Output, StringComparison.Ordinal);
        CommandResult result = CommandLine.Run("classify", "--model", folder, "every duck quacks",
            "--json", files["classes.json"]).Succeeded();
        Assert.StartsWith("bird ", result.Output, StringComparison.Ordinal);
        JsonElement classes = JsonDocument.Parse(File.ReadAllText(files["classes.json"]))
            .RootElement[0].GetProperty("classes");
        Assert.Equal(1, classes.GetProperty("bird").GetDouble() +
            classes.GetProperty("beast").GetDouble(), 1e-6);
        CommandResult scored = CommandLine.Run("evaluate", "--model", folder, "--data", data,
            "--json", files["scores.json"]).Succeeded();
        Assert.Contains("accuracy 100.00 % on 80 texts", scored.Output, StringComparison.Ordinal);
        JsonElement scores = JsonDocument.Parse(File.ReadAllText(files["scores.json"])).RootElement;
        Assert.Equal(80, scores.GetProperty("count").GetInt32());
        Assert.InRange(scores.GetProperty("loss").GetDouble(), 0, 0.3);
        CommandLine.Run("export", "--model", folder, "--out", files["out"]).Succeeded();
        Assert.Equal(result.Output, CommandLine.Run(
            "classify", "--model", files["out"], "every duck quacks").Succeeded().Output);
    }

    /// <summary>Examples that take turns are not held out of one class alone.</summary>
    [Fact]
    public void HeldOut_AreOfEveryClass()
    {
        LabelledText[] examples = [.. Enumerable.Range(0, 60).Select(
            i => new LabelledText(i % 2 == 0 ? "even" : "odd", $"text {i}"))];
        (LabelledText[] learned, LabelledText[] held) = ClassifierTraining.Divide(examples);
        Assert.Equal(
            ["text 18", "text 19", "text 38", "text 39", "text 58", "text 59"],
            held.Select(example => example.Text));
        Assert.Equal(examples.Except(held), learned);
    }

    [Fact]
    public void Resumed_EndsWithTheSameBytes()
    {
        string folder = files["run"];
        string[] half = TrainedBert.Arguments(model.Data, folder);
        half[Array.IndexOf(half, "--steps") + 1] = "90";
        CommandLine.Run([.. half, "--schedule-steps", "500"]).Succeeded();
        CommandResult resumed = CommandLine.Run(
            "train", "bert", "--out", folder, "--resume", "--steps", "160").Succeeded();
        Assert.Contains("resumed from", resumed.Output, StringComparison.Ordinal);
        string[] whole = TrainedBert.Arguments(model.Data, files["whole"]);
        whole[Array.IndexOf(whole, "--steps") + 1] = "160";
        CommandLine.Run([.. whole, "--schedule-steps", "500"]).Succeeded();
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(files["whole"], "model.safetensors")),
            File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
    }

    [Fact]
    public void ExportedAndImported_TheModelGuessesTheSame()
    {
        CommandLine.Run("export", "--model", model.Folder, "--out", files["out"],
            "--max-file-bytes", "30000").Succeeded();
        CommandLine.Run("import", files["out"], "--out", files["back"]).Succeeded();
        string Guess(string folder) => CommandLine.Run(
            "fill-mask", "--model", folder, "the cat [MASK] today").Succeeded().Output;
        Assert.Equal(Guess(model.Folder), Guess(files["out"]));
        Assert.Equal(Guess(model.Folder), Guess(files["back"]));
    }

    [Fact]
    public void BadInput()
    {
        Train().IsBadInput("train bert: --data is missing. Name a file of sentences");
        Train("--data", files.Text("few", "one sentence")).IsBadInput(
            "SentenceDataset:", "Give more text");
        Train("--data", model.Data, "--width", "31").IsBadInput("'width' is 31", "Use 32");
        Train("--data", model.Data, "--tokenizer", files["none"]).IsBadInput("none");
        Train("--data", model.Data, "--tokenizer", files["none"], "--lowercase")
            .IsBadInput("--tokenizer goes without");
        Assert.False(Directory.Exists(files["m"]));
        Fill("the cat meows").IsBadInput("the text has no [MASK]");
        Fill("[MASK]", "--top", "0").IsBadInput("--top is 0; expected 1 or more");
        Fill(string.Join(' ', Enumerable.Repeat("[MASK]", 15)))
            .IsBadInput("17 tokens", "16 positions", "Shorten the text");
        CommandLine.Run("next-sentence", "--model", model.Folder, "one")
            .IsBadInput("next-sentence: 1 texts; expected two texts");
        CommandLine.Run("next-sentence", "--model", model.Folder, "--input",
            files.Text("p", "no tab")).IsBadInput("line 1: expected first text, tab, second text");
        CommandLine.Run("classify", "--model", model.Folder, "a cat")
            .IsBadInput("'classifier.weight'");
        CommandLine.Run("generate", "--model", model.Folder, "a")
            .IsBadInput("'model_type' is \"bert\"; expected \"gpt2\"");
        CommandLine.Run("train", "classifier", "--out", files["m"], "--base", model.Folder,
            "--data", files.Text("d", "good a cat")).IsBadInput("line 1: 1 parts; expected class");
        CommandLine.Run("train", "classifier", "--out", files["m"], "--base", model.Folder,
            "--data", files.Text("e", "good\ta cat", "good\ta dog"))
            .IsBadInput("BertClassifier: 1 classes", "Give examples of each class");
        CommandLine.Run("train", "classifier", "--out", files["m"], "--data", model.Data)
            .IsBadInput("--base is missing");
    }

    private CommandResult Train(params string[] arguments) =>
        CommandLine.Run(["train", "bert", "--out", files["m"], .. arguments]);

    private CommandResult Fill(params string[] arguments) =>
        CommandLine.Run(["fill-mask", "--model", model.Folder, .. arguments]);
}
