using System.Text.Json;
using System.Xml.Linq;

namespace Transformer.Cli.Tests.Commands;

/// <summary>Every kind of tokenizer and every form of its files, by the command line.</summary>
public sealed class TokenizerKindsCommandTests : IDisposable
{
    private static readonly string[] Lines =
    [
        "the robot must obey orders", "the student reads the order", "robots obey the students",
        "a robot reads what a student must read", "students order robots", "obey the order",
    ];

    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("char")]
    [InlineData("word")]
    [InlineData("bpe")]
    [InlineData("wordpiece")]
    [InlineData("unigram")]
    public void EveryKind_EncodesWithPlaces_AndDecodes(string kind)
    {
        string file = Train(kind);
        string texts = files.Text("texts", "the robot reads", "students must obey");
        string[] ids = Run("encode", file, "--input", texts).OutputLines;
        CommandResult result = Run(
            "encode", file, "--input", texts, "--offsets", "--pieces", "--json", files["t.json"]);
        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllText(files["t.json"]))
            .RootElement.EnumerateArray()];
        foreach ((int i, string text) in File.ReadAllLines(texts).Index())
        {
            Assert.Equal(text, rows[i].GetProperty("text").GetString());
            JsonElement[] tokens = [.. rows[i].GetProperty("tokens").EnumerateArray()];
            Assert.Equal(ids[i], string.Join(' ', tokens.Select(t => t.GetProperty("id"))));
            Assert.Equal(result.OutputLines[i], string.Join(' ', tokens.Select(t =>
                $"{t.GetProperty("piece")}@{t.GetProperty("start")}:{t.GetProperty("end")}")));
            // The places are those of the text, in order, and leave out nothing but spaces.
            int at = 0;
            foreach (JsonElement token in tokens)
            {
                int start = token.GetProperty("start").GetInt32();
                Assert.True(string.IsNullOrWhiteSpace(text[at..Math.Max(at, start)]), text);
                at = token.GetProperty("end").GetInt32();
            }

            Assert.Equal(text.Length, at);
            Assert.Equal(text, Run("decode", file, ids[i]).OutputLines[0]);
        }

        JsonElement decoded = JsonDocument.Parse(
            Run("decode", file, ids[0], "--json", "-").Output).RootElement[0];
        Assert.Equal("the robot reads", decoded.GetProperty("text").GetString());
        Assert.Equal(ids[0], decoded.GetProperty("ids").GetString());
    }

    /// <summary>Forms of files: what each gives is what tokenizer.json gives.</summary>
    [Theory]
    [InlineData("bpe", "gpt2", "merges.txt", "vocab.json")]
    [InlineData("wordpiece", "bert", "vocab.txt")]
    [InlineData("char", "json", "tokenizer.json")]
    [InlineData("unigram", "json", "tokenizer.json")]
    public void Converted_CutsTheSame(string kind, string format, params string[] expected)
    {
        string file = Train(kind), folder = files["converted"];
        string target = format == "gpt2" ? folder : Path.Combine(folder, expected[0]);
        Directory.CreateDirectory(folder);
        CommandLine.Run("tokenizer", "convert", "--tokenizer", file, "--format", format, "--out",
            target).Succeeded();
        Assert.Equal(expected, Directory.GetFiles(folder).Select(Path.GetFileName).Order());
        string back = files["back.json"];
        CommandLine.Run("tokenizer", "convert", "--tokenizer", folder, "--out", back).Succeeded();
        string text = string.Join(' ', Lines) + " zebra 42!";
        string pieces = Run("encode", file, text, "--pieces").Output;
        Assert.Equal(pieces, Run("encode", folder, text, "--pieces").Output);
        Assert.Equal(pieces, Run("encode", back, text, "--pieces").Output);
    }

    [Fact]
    public void Case_IsKeptOrFoldedAsAsked()
    {
        string input = files.Text("cases", "Robots Obey", "robots obey"), file = files["w.json"];
        CommandLine.Run("tokenizer", "train", "--kind", "wordpiece", "--cased", "--input", input,
            "--vocabulary", "60", "--format", "bert", "--out", files["vocab.txt"]).Succeeded();
        Assert.Equal("RobotsObey", Run(
            "encode", files["vocab.txt"], "--cased", "Robots Obey", "--pieces").Output.Trim()
            .Replace(" ", "", StringComparison.Ordinal)
            .Replace("##", "", StringComparison.Ordinal));
        CommandLine.Run("tokenizer", "train", "--kind", "wordpiece", "--input", input,
            "--vocabulary", "60", "--out", file).Succeeded();
        Assert.Equal(Run("encode", file, "robots").Output, Run("encode", file, "ROBOTS").Output);
        CommandLine.Run("tokenizer", "encode", "--tokenizer", file, "--cased", "a")
            .IsBadInput("--cased goes with BERT's vocab.txt");
    }

    [Fact]
    public void Samples_AreDrawnBySeed()
    {
        string file = Train("unigram"), text = string.Join(' ', Lines);
        string Draw(params string[] more) =>
            Run("encode", file, [text, "--sample", "0.3", "--pieces", .. more]).Output;
        Assert.Equal(Draw("--seed", "4"), Draw("--seed", "4"));
        Assert.NotEqual(Draw("--seed", "4"), Draw("--seed", "5"));
        Assert.Equal(text, Draw("--seed", "4").Trim().Replace(" ", "", StringComparison.Ordinal)
            .Replace('\u2581', ' ').Trim());
        CommandLine.Run("tokenizer", "encode", "--tokenizer", file, text, "--sample", "0.3",
            "--offsets").IsBadInput("--offsets does not go with --sample");
        CommandLine.Run("tokenizer", "encode", "--tokenizer", file, text, "--sample", "-1")
            .IsBadInput("'alpha' is -1");
        CommandLine.Run("tokenizer", "encode", "--tokenizer", Train("bpe"), text, "--sample", "1")
            .IsBadInput("--sample is for unigram tokenizers");
    }

    [Fact]
    public void Report_ShowsWhatSizesBring()
    {
        string input = files.Text("text", [.. Enumerable.Repeat(Lines, 20).SelectMany(x => x)]);
        CommandResult result = CommandLine.Run("tokenizer", "report", "--input", input, "--sizes",
            "270,290", "--tail", "3", "--json", files["r.json"], "--svg", files["r.svg"])
            .Succeeded();
        JsonElement report = JsonDocument.Parse(File.ReadAllText(files["r.json"])).RootElement;
        JsonElement[] rows = [.. report.GetProperty("rows").EnumerateArray()];
        Assert.Equal([270, 290], rows.Select(r => r.GetProperty("vocabularySize").GetInt32()));
        Assert.True(rows[0].GetProperty("tokensPerLine").GetDouble()
            > rows[1].GetProperty("tokensPerLine").GetDouble());
        Assert.Equal(3, report.GetProperty("rarest").GetArrayLength());
        Assert.Contains("rarest of 290: ", result.Output, StringComparison.Ordinal);
        Assert.Equal("svg", XDocument.Load(files["r.svg"]).Root!.Name.LocalName);
        CommandLine.Run("tokenizer", "report", "--input", input, "--sizes", "x")
            .IsBadInput("--sizes is 'x'");
        CommandLine.Run("tokenizer", "report", "--input", input, "--tail", "-1")
            .IsBadInput("--tail is -1");
    }

    [Fact]
    public void FormsThatDoNotFit_AndDamagedFiles_AreOneLine()
    {
        string bpe = Train("bpe");
        CommandLine.Run("tokenizer", "convert", "--tokenizer", bpe, "--format", "bert", "--out",
            files["v.txt"]).IsBadInput("format 'bert' is for kind 'wordpiece'", "'bpe'");
        CommandLine.Run("tokenizer", "train", "--kind", "char", "--format", "gpt2", "--input",
            files.Text("x", "a"), "--out", files["g"])
            .IsBadInput("format 'gpt2' is for kind 'bpe'");
        Assert.False(File.Exists(files["v.txt"]) || Directory.Exists(files["g"]));
        CommandLine.Run("tokenizer", "encode", "--tokenizer", files["none.json"], "a")
            .IsBadInput("none.json");
        foreach (string kind in (string[])["char", "word", "bpe", "wordpiece", "unigram"])
        {
            string file = Train(kind), text = File.ReadAllText(file);
            foreach (double part in (double[])[0, 0.3, 0.6, 0.95])
            {
                string cut = files.Text("cut.json", text[..(int)(part * text.Length)]);
                CommandLine.Run("tokenizer", "encode", "--tokenizer", cut, "a")
                    .IsBadInput("cut.json");
            }
        }
    }

    private string Train(string kind)
    {
        string file = files[$"{kind}.json"];
        string[] size = kind == "char" ? [] : ["--vocabulary", kind == "bpe" ? "290" : "60"];
        CommandLine.Run(["tokenizer", "train", "--kind", kind, "--input",
            files.Text("lines", Lines), "--out", file, .. size]).Succeeded();
        return file;
    }

    private static CommandResult Run(string verb, string tokenizer, params string[] more) =>
        CommandLine.Run(["tokenizer", verb, "--tokenizer", tokenizer, .. more]).Succeeded();
}
