using System.Text.Json;
using System.Xml.Linq;

namespace Transformer.Cli.Tests.Commands;

/// <summary>Training, and what is done with the model that comes of it.</summary>
public sealed class TranslationCommandTests(TrainedModel model) : IClassFixture<TrainedModel>
{
    [Fact]
    public void Train_ReportsValidationsAndFinalScores()
    {
        model.Training.Succeeded();
        using JsonDocument json = JsonDocument.Parse(model.Json);
        JsonElement root = json.RootElement;
        Assert.Equal("steps", root.GetProperty("end").GetString());
        Assert.Equal(120, root.GetProperty("steps").GetInt64());
        Assert.Equal([40, 80, 120], root.GetProperty("validations").EnumerateArray()
            .Select(v => v.GetProperty("step").GetInt32()));
        Assert.All(root.GetProperty("validations").EnumerateArray(),
            v => Assert.InRange(v.GetProperty("bleu").GetDouble(), 0, 100));
        Assert.Equal(1, root.GetProperty("validation").GetProperty("exactMatch").GetDouble());
        Assert.Contains("best so far", model.Training.Output, StringComparison.Ordinal);
        Assert.Contains("tokens/s, left 0:00:00", model.Training.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("3")]
    public void Translate_GivesWhatWasLearned(string beam)
    {
        foreach ((string source, string target) in TrainedModel.Pairs)
        {
            CommandResult result = CommandLine.Run(
                "translate", "--model", model.Folder, "--beam", beam, source).Succeeded();
            Assert.Equal(target, Assert.Single(result.OutputLines));
            Assert.Empty(result.Error);
        }
    }

    [Fact]
    public void Translate_TranslatesAFileLineByLine()
    {
        CommandResult result = CommandLine.Run(
            "translate", "--model", model.Folder, "--input", model.Source).Succeeded();
        Assert.Equal(TrainedModel.Pairs.Select(p => p.Target), result.OutputLines);
    }

    [Fact]
    public void Translate_WritesJson()
    {
        CommandResult result = CommandLine.Run("translate", "--model", model.Folder, "--input",
            model.Source, "--json", "-").Succeeded();
        JsonElement[] rows = [.. JsonDocument.Parse(result.Output).RootElement.EnumerateArray()];
        Assert.Equal(TrainedModel.Pairs, rows.Select(row => (
            row.GetProperty("text").GetString()!, row.GetProperty("translation").GetString()!)));
    }

    [Fact]
    public void Translate_NotesUnknownWordsAndGoesOn()
    {
        CommandResult result =
            CommandLine.Run("translate", "--model", model.Folder, "a red zebra").Succeeded();
        Assert.Single(result.OutputLines);
        Assert.Contains("<unk>: zebra", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluate_GivesAllFigures()
    {
        CommandResult result = CommandLine.Run("evaluate", "--model", model.Folder, "--source",
            model.Source, "--target", model.Target, "--beam", "1", "--json", "-").Succeeded();
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement root = json.RootElement;
        Assert.Equal(6, root.GetProperty("sentences").GetInt32());
        Assert.Equal(24, root.GetProperty("tokens").GetInt32());
        Assert.Equal(1, root.GetProperty("exactMatch").GetDouble());
        Assert.Equal(1, root.GetProperty("tokenAccuracy").GetDouble());
        // Three words a sentence: no 4-gram at all, which sacreBLEU scores 0.
        Assert.Equal(0, root.GetProperty("bleu").GetDouble());
        Assert.StartsWith("BLEU = 0.00 100.0/100.0/100.0/0.0",
            root.GetProperty("bleuLine").GetString(), StringComparison.Ordinal);
        Assert.InRange(root.GetProperty("loss").GetDouble(), 1e-9, 0.2);
    }

    [Fact]
    public void AttentionMap_ShowsEachHeadWithItsTokens()
    {
        CommandResult result = CommandLine.Run(
            "attention-map", "--model", model.Folder, "--source", "the cat sleeps").Succeeded();
        Assert.Contains("cross, layer 1, head 1", result.Output, StringComparison.Ordinal);
        Assert.Contains("cross, layer 1, head 2", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("encoder", result.Output, StringComparison.Ordinal);
        Assert.Equal(2, result.OutputLines.Count(
            l => l.StartsWith("schläft", StringComparison.Ordinal)));
        Assert.Equal(2, result.OutputLines.Count(
            l => l.TrimEnd().EndsWith("<eos>", StringComparison.Ordinal)));
    }

    [Fact]
    public void AttentionMap_WritesEveryMapAsJsonAndSvg()
    {
        using TemporaryFolder files = new();
        CommandLine.Run("attention-map", "--model", model.Folder, "--source", "a big dog",
            "--target", "ein grosser Hund", "--kind", "all", "--layer", "all", "--json",
            files["map.json"], "--svg", files["map.svg"]).Succeeded();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(files["map.json"]));
        JsonElement[] maps = [.. json.RootElement.GetProperty("maps").EnumerateArray()];
        Assert.Equal(
            ["encoder", "encoder", "decoder", "decoder", "cross", "cross"],
            maps.Select(m => m.GetProperty("kind").GetString()));
        Assert.Equal(["a", "big", "dog", "<eos>"], Texts(maps[4], "columns"));
        Assert.Equal(["ein", "grosser", "Hund", "<eos>"], Texts(maps[4], "rows"));
        Assert.Equal(["<bos>", "ein", "grosser", "Hund"], Texts(maps[2], "columns"));
        foreach (JsonElement row in maps.SelectMany(
            m => m.GetProperty("weights").EnumerateArray()))
        {
            // Four probabilities in single precision: far less than 1e-5 from 1.
            Assert.Equal(1, row.EnumerateArray().Sum(w => w.GetDouble()), 1e-5);
        }

        // The decoder sees no later word.
        Assert.Equal(1, maps[2].GetProperty("weights")[0][0].GetDouble());
        XElement svg = XElement.Load(files["map.svg"]);
        Assert.Equal(6 * 16, svg.Descendants().Count(
            e => e.Attribute("class")?.Value.StartsWith("cell", StringComparison.Ordinal) == true));
        Assert.Equal(2, svg.Elements().Count(e => e.Name.LocalName == "text"
            && e.Value.StartsWith("cross", StringComparison.Ordinal)));
    }

    [Fact]
    public void Resume_OfAFinishedTraining_GoesOnWithMoreSteps()
    {
        using TemporaryFolder files = new();
        string source = files.Text("s", "one two", "two one");
        string[] start = ["train", "seq2seq", "--source", source, "--target", source, "--out",
            files["m"], "--layers", "1", "--width", "8", "--heads", "1", "--steps"];
        CommandLine.Run([.. start, "3"]).Succeeded();
        CommandResult more = CommandLine.Run(
            "train", "seq2seq", "--out", files["m"], "--resume", "--steps", "5").Succeeded();
        Assert.Contains("resumed from", more.Output, StringComparison.Ordinal);
        Assert.Contains("ended after 5 steps", more.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_ReadsSettingsFromAFile_FlagsWin()
    {
        using TemporaryFolder files = new();
        string source = files.Text("s", "one two", "two one");
        string config = files.Text("c.json", "{", "  // small",
            "  \"width\": 8, \"heads\": 1, \"layers\": 2, \"feedForward\": 24, \"steps\": 50,",
            $"  \"source\": {JsonSerializer.Serialize(source)}, \"lowercase\": true,",
            $"  \"target\": {JsonSerializer.Serialize(source)}", "}");
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--config", config, "--layers",
            "1", "--steps", "2").Succeeded();
        using JsonDocument json =
            JsonDocument.Parse(File.ReadAllText(Path.Combine(files["m"], "config.json")));
        Assert.Equal(1, json.RootElement.GetProperty("encoderLayers").GetInt32());
        Assert.Equal(8, json.RootElement.GetProperty("width").GetInt32());
        Assert.Equal(24, json.RootElement.GetProperty("feedForwardWidth").GetInt32());
    }

    private static IEnumerable<string?> Texts(JsonElement map, string name) =>
        map.GetProperty(name).EnumerateArray().Select(t => t.GetString());
}
