using System.Buffers.Binary;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>attention-map</c> for every kind of model, as text, JSON, SVG and page.</summary>
public sealed partial class AttentionMapCommandTests(MapModels models)
    : IClassFixture<MapModels>, IDisposable
{
    private const string Markup = "</script> <b>&\"'😀\ta";

    private static readonly string[] MarkupTokens =
    [
        "<", "/", "s", "c", "r", "i", "p", "t", ">", "␣", "<", "b", ">", "&", "\"", "'", "😀", "⇥",
        "a",
    ];

    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Gpt_ShowsItsTokensOnBothAxes_AndNothingOfLaterOnes()
    {
        JsonElement[] maps = Maps(models.Gpt, "--source", Markup, "--layer", "all");
        Assert.Equal([(1, 1), (1, 2), (2, 1), (2, 2)], maps.Select(m => (
            m.GetProperty("layer").GetInt32(), m.GetProperty("head").GetInt32())));
        foreach (JsonElement map in maps)
        {
            Assert.Equal("decoder", map.GetProperty("kind").GetString());
            Assert.Equal(MarkupTokens, Texts(map.GetProperty("rows")));
            Assert.Equal(MarkupTokens, Texts(map.GetProperty("columns")));
            foreach ((int query, double[] row) in Weights(map).Index())
            {
                // 19 shares in single precision.
                Assert.Equal(1, row.Sum(), 1e-5);
                Assert.All(row[(query + 1)..], weight => Assert.Equal(0, weight));
            }
        }
    }

    [Fact]
    public void Encoders_ReadTwoTextsAndMasks()
    {
        string[] tokens = ["[CLS]", "the", "[MASK]", "meows", "[SEP]", "it", "sleeps", "[SEP]"];
        string[] arguments = ["--source", "the [MASK] meows", "--second", "it sleeps"];
        JsonElement[] maps = Maps(models.Bert, arguments);
        Assert.Equal(2, maps.Length);
        Assert.Equal("encoder", maps[0].GetProperty("kind").GetString());
        Assert.Equal(tokens, Texts(maps[1].GetProperty("rows")));
        Assert.Equal(tokens, Texts(maps[1].GetProperty("columns")));

        // To a classifier [MASK] is text like any other.
        JsonElement[] classified = Maps(models.Classifier, "--source", "the cat", "--second", "it");
        Assert.Equal(["[CLS]", "the", "cat", "[SEP]", "it", "[SEP]"],
            Texts(classified[0].GetProperty("rows")));
    }

    [Fact]
    public void Page_HoldsEveryHead_AndNothingFromOutside()
    {
        string page = Written("map.html", models.Gpt, "--source", Markup, "--html");
        using JsonDocument data = JsonDocument.Parse(
            DataElement().Match(page).Groups["data"].Value);
        JsonElement kind = Assert.Single(data.RootElement.GetProperty("kinds").EnumerateArray());
        Assert.Equal(MarkupTokens, Texts(kind.GetProperty("columns")));
        JsonElement[] maps = Maps(models.Gpt, "--source", Markup, "--layer", "all");
        string[] heads = [.. kind.GetProperty("weights").EnumerateArray()
            .SelectMany(layer => layer.EnumerateArray()).Select(head => head.GetString()!)];
        Assert.Equal(maps.Length, heads.Length);
        for (int i = 0; i < maps.Length; i++)
        {
            byte[] bytes = Convert.FromBase64String(heads[i]);
            double[] weights = [.. Weights(maps[i]).SelectMany(row => row)];
            for (int w = 0; w < weights.Length; w++)
            {
                // Half a step of 1/65535.
                Assert.Equal(weights[w], BinaryPrimitives.ReadUInt16LittleEndian(
                    bytes.AsSpan(2 * w)) / 65535.0, 0.51 / 65535);
            }
        }

        // The text's own "</script>" ends no element.
        Assert.Equal(2, Regex.Count(page, "</script>"));
        Assert.DoesNotContain("@data", page);
        Assert.DoesNotContain("://", page);
        Assert.DoesNotMatch("(src|href)=", page);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_OfATranslator_HasAllKinds_AndBeginsWithTheChosen()
    {
        string page = Written("map.html", models.Translator,
            "--source", "one two", "--target", "two", "--kind", "decoder", "--html");
        using JsonDocument data = JsonDocument.Parse(
            DataElement().Match(page).Groups["data"].Value);
        JsonElement[] kinds = [.. data.RootElement.GetProperty("kinds").EnumerateArray()];
        Assert.Equal(["encoder", "decoder", "cross"],
            kinds.Select(kind => kind.GetProperty("name").GetString()));
        Assert.Equal(1, data.RootElement.GetProperty("kind").GetInt32());
        Assert.All(kinds, kind => Assert.Equal(2, kind.GetProperty("weights").GetArrayLength()));
        Assert.Equal(["two", "<eos>"], Texts(kinds[2].GetProperty("rows")));
    }

    [Fact]
    public void Svg_NamesEveryToken()
    {
        XElement svg = XElement.Parse(Written(
            "map.svg", models.Gpt, "--source", Markup, "--head", "1", "--svg"));
        string[] names = [.. svg.Elements().Where(e => e.Name.LocalName == "text").Skip(1)
            .Select(e => e.Value)];
        Assert.Equal([.. MarkupTokens, .. MarkupTokens], names);
        XElement[] cells = [.. svg.Elements().Where(
            e => e.Attribute("class")?.Value == "cell c0")];
        Assert.Equal(MarkupTokens.Length * MarkupTokens.Length, cells.Length);

        // The first token sees itself alone.
        Assert.Equal("1", cells[0].Attribute("fill-opacity")!.Value);
        Assert.Equal("< → <: 100.0 %", Assert.Single(cells[0].Elements()).Value);
        Assert.Equal("0", cells[1].Attribute("fill-opacity")!.Value);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(200)]
    public void LongAndShortTexts_FitTheTerminal(int tokens)
    {
        CommandResult result = CommandLine.Run("attention-map", "--model", models.Gpt, "--source",
            string.Concat(Enumerable.Repeat("abc t", 40))[..tokens], "--head", "1", "--svg",
            files["map.svg"]).Succeeded();

        // A title, the columns' names, and a line a token or four.
        Assert.Equal(2 + (tokens == 1 ? 1 : 50), result.OutputLines.Length);
        Assert.All(result.OutputLines, line => Assert.InRange(line.Length, 1, 200));
        Assert.InRange(new FileInfo(files["map.svg"]).Length, 1_000, 4_000_000);
        XElement svg = XElement.Load(files["map.svg"]);
        Assert.InRange((double)svg.Attribute("width")!, 50, 1200);
        Assert.InRange((double)svg.Attribute("height")!, 50, 1200);
    }

    [Fact]
    public void BadInput()
    {
        Map(models.Gpt, "--source", " ").IsBadInput("attention-map: --source is empty");
        Map(models.Gpt, "--source", "a", "--target", "b").IsBadInput(
            "--target is 'b', but goes with translators alone");
        Map(models.Gpt, "--source", "a", "--second", "b").IsBadInput(
            "--second is 'b', but goes with encoder-only models alone");
        Map(models.Translator, "--source", "one", "--second", "b").IsBadInput("--second is 'b'");
        Map(models.Bert, "--source", "it", "--kind", "cross").IsBadInput(
            "--kind is 'cross'; the model has encoder. Choose such a kind.");
        Map(models.Gpt, "--source", new string('a', 225)).IsBadInput(
            "'length' is 225; the model has 224 positions");
        Map(models.Gpt, "--source", "a", "--layer", "3").IsBadInput("expected 1 to 2, or all");
        Map(models.Gpt, "--source", "a", "--html", Path.Combine(files["no"], "x")).IsBadInput(
            "--html", "there is no folder");
        Map(files["no"], "--source", "a").IsBadInput("Cannot find model folder");
        Directory.CreateDirectory(files["odd"]);
        string config = Path.Combine(files["odd"], "config.json");
        File.WriteAllText(config, "{\"model_type\": \"marian\"}");
        Map(files["odd"], "--source", "a").IsBadInput("another library. Import it first.");
        File.WriteAllText(config, "{\"model_type\": \"llama\"}");
        Map(files["odd"], "--source", "a").IsBadInput("'model_type' is \"llama\"");
        File.WriteAllText(config, "[");
        Map(files["odd"], "--source", "a").IsBadInput(config);
    }

    private CommandResult Map(string model, params string[] arguments) =>
        CommandLine.Run(["attention-map", "--model", model, .. arguments]);

    private JsonElement[] Maps(string model, params string[] arguments)
    {
        CommandResult result = Map(model, [.. arguments, "--json", "-"]).Succeeded();
        Assert.Empty(result.Error);
        return [.. JsonDocument.Parse(result.Output).RootElement.GetProperty("maps")
            .EnumerateArray()];
    }

    private string Written(string name, string model, params string[] arguments)
    {
        Map(model, [.. arguments, files[name]]).Succeeded();
        return File.ReadAllText(files[name]);
    }

    private static string[] Texts(JsonElement texts) =>
        [.. texts.EnumerateArray().Select(text => text.GetString()!)];

    private static double[][] Weights(JsonElement map) =>
        [.. map.GetProperty("weights").EnumerateArray().Select(
            row => row.EnumerateArray().Select(weight => weight.GetDouble()).ToArray())];

    [GeneratedRegex("<script type=\"application/json\" id=\"data\">(?<data>.*?)</script>")]
    private static partial Regex DataElement();
}
