using Transformer.Models.Layers;
using Transformer.Models.Tests.Interchange;
using Transformer.Ops;

namespace Transformer.Models.Tests.Models;

public sealed class Seq2SeqConfigTests
{
    private static readonly Seq2SeqConfig Valid = Seq2SeqConfig.Tiny(100, 120);

    [Fact]
    public void Base_HasTheNumbersOfTable3()
    {
        Seq2SeqConfig c = Seq2SeqConfig.Base(37000, 37000);
        c.Validate();
        Assert.Equal((6, 6), (c.EncoderLayers, c.DecoderLayers));
        Assert.Equal((512, 8, 2048, 0.1), (c.Width, c.Heads, c.FeedForwardWidth, c.Dropout));
        Assert.Equal(
            (NormPlacement.Post, PositionKind.Sinusoidal, Activation.Relu),
            (c.Norm, c.Positions, c.Activation));
        Assert.True(c.TieEmbeddings && c.SharesOutput);
        Assert.True(c.ScalesEmbeddings);
        Assert.False(Seq2SeqConfig.Base(100, 120).TieEmbeddings);
    }

    [Fact]
    public void ScalesEmbeddings_NotWhereLearnedAndUntied()
    {
        Seq2SeqConfig learned = Valid with { Positions = PositionKind.Learned };
        Assert.True(learned.ScalesEmbeddings);
        Assert.False((learned with { TieOutput = false }).ScalesEmbeddings);
        Assert.True((Valid with { TieOutput = false }).ScalesEmbeddings);
    }

    [Fact]
    public void Json_KeepsEveryField()
    {
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = 11,
            TargetVocabulary = 11,
            EncoderLayers = 3,
            DecoderLayers = 5,
            Width = 12,
            Heads = 6,
            FeedForwardWidth = 7,
            MaxPositions = 9,
            Dropout = 0.3,
            Norm = NormPlacement.Post,
            Positions = PositionKind.Learned,
            Activation = Activation.GeluTanh,
            TieEmbeddings = true,
            TieOutput = false,
            PadId = 4,
            UnknownId = 5,
            BosId = 6,
            EosId = 7,
        };
        Assert.Equal(config, Seq2SeqConfig.FromJson(config.ToJson()));
        using TemporaryFolder folder = new();
        config.Save(folder.File("config.json"));
        Assert.Equal(config, Seq2SeqConfig.Load(folder.File("config.json")));
        Assert.Equal(["config.json"], folder.Names());
    }

    public static TheoryData<string, string> Invalid => new()
    {
        { "width", "Seq2SeqConfig: 'width' is 0; expected 1 or more. Give a positive size." },
        { "heads", "Seq2SeqConfig: 'heads' is -1; expected 1 or more. Give a positive size." },
        {
            "divide", "Seq2SeqConfig: 'width' is 130; expected a multiple of the 4 heads. " +
            "Use 132, or another number of heads."
        },
        {
            "dropout", "Seq2SeqConfig: 'dropout' is 1; expected at least 0 and less than 1. " +
            "Use 0.1, or 0 for none."
        },
        {
            "nan", "Seq2SeqConfig: 'dropout' is NaN; expected at least 0 and less than 1. " +
            "Use 0.1, or 0 for none."
        },
        {
            "tied", "Seq2SeqConfig: 'targetVocabulary' is 120; expected the 100 tokens of the " +
            "source, since tieEmbeddings is set. Use one joint vocabulary, or tieOutput alone."
        },
        {
            "none", "Seq2SeqConfig: 'positions' is None; expected Sinusoidal, Learned, " +
            "Rotary, Alibi or Relative. Without positions word order is lost."
        },
        {
            "eos", "Seq2SeqConfig: 'eosId' is 100; expected 0 to 99. It must be a token of both " +
            "vocabularies."
        },
        {
            "same", "Seq2SeqConfig: 'eosId' is 2; expected another id than bosId. The " +
            "special tokens differ; only bosId may be padId."
        },
    };

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Validate_NamesFieldValueAndRemedy(string which, string message)
    {
        Seq2SeqConfig config = which switch
        {
            "width" => Valid with { Width = 0 },
            "heads" => Valid with { Heads = -1 },
            "divide" => Valid with { Width = 130 },
            "dropout" => Valid with { Dropout = 1 },
            "nan" => Valid with { Dropout = double.NaN },
            "tied" => Valid with { TieEmbeddings = true },
            "none" => Valid with { Positions = PositionKind.None },
            "eos" => Valid with { EosId = 100 },
            _ => Valid with { EosId = 2 },
        };
        Assert.Equal(message, Assert.Throws<ArgumentException>(config.Validate).Message);
    }

    [Theory]
    [InlineData("{", "no valid JSON, or cut off: line 1, byte 2. Correct the file.")]
    [InlineData("[]", "the JSON is a Array; expected an object.")]
    [InlineData("{}", "the field 'modelType' is missing. Add it.")]
    [InlineData("{\"modelType\": \"gpt\"}", "'modelType' is \"gpt\"; expected \"seq2seq\".")]
    public void Load_NamesFileAndFault(string json, string fault)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("config.json");
        File.WriteAllText(path, json);
        Exception e = Assert.Throws<InvalidDataException>(() => Seq2SeqConfig.Load(path));
        Assert.StartsWith($"'{path}': Seq2SeqConfig: {fault}", e.Message);
    }

    [Theory]
    [InlineData(
        "\"width\": 128", "\"width\": \"128\"", "'width' is \"128\"; expected a whole number.")]
    [InlineData("\"width\": 128", "\"width\": 128.5", "'width' is 128.5; expected a whole number.")]
    [InlineData("\"width\": 128", "\"breadth\": 128", "the field 'width' is missing. Add it.")]
    [InlineData("\"width\": 128", "\"width\": -5", "'width' is -5; expected 1 or more.")]
    [InlineData("\"Pre\"", "\"Middle\"", "'norm' is \"Middle\"; expected one of Post, Pre.")]
    [InlineData(
        "\"tieOutput\"", "\"depth\": 1, \"tieOutput\"",
        "there is no field 'depth'. Use: modelType,")]
    public void Load_NamesField(string original, string replacement, string fault)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("config.json");
        File.WriteAllText(path, Valid.ToJson().Replace(original, replacement));
        Exception e = Assert.Throws<InvalidDataException>(() => Seq2SeqConfig.Load(path));
        Assert.StartsWith($"'{path}': Seq2SeqConfig: {fault}", e.Message);
    }

    [Fact]
    public void Load_SaysThatTheFileIsMissing() => Assert.Equal(
        "Cannot find model configuration 'nowhere/config.json'. Check the path.",
        Assert.Throws<FileNotFoundException>(
            () => Seq2SeqConfig.Load("nowhere/config.json")).Message);
}
