using System.Text.Json.Nodes;
using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

public sealed class TokenizerFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SaveAndLoad_KeepEverything_Word()
    {
        WordTokenizer saved = WordTokenizer.Train(SampleText.Lines, new() { Lowercase = true });
        WordTokenizer loaded = Assert.IsType<WordTokenizer>(SaveAndLoad(saved));
        Assert.True(loaded.Lowercase);
        AssertEqual(saved, loaded);
    }

    [Fact]
    public void SaveAndLoad_KeepEverything_BytePair()
    {
        BytePairTokenizer saved = BytePairTokenizer.Train(
            SampleText.Lines, new() { VocabularySize = 400 });
        BytePairTokenizer loaded = Assert.IsType<BytePairTokenizer>(SaveAndLoad(saved));
        Assert.Equal(saved.MergeCount, loaded.MergeCount);
        AssertEqual(saved, loaded);
    }

    [Fact]
    public void SaveAndLoad_KeepOddWords()
    {
        string text = "\"\\ \u0001 <pad> é e\u0301 \uFFFF \uD800 😀 </script>";
        WordTokenizer saved = WordTokenizer.Train([text]);
        int[] ids = SaveAndLoad(saved).Encode(text);
        Assert.Equal(saved.Encode(text), ids);
        Assert.DoesNotContain(saved.Special.Unknown, ids);
    }

    [Fact]
    public void Save_IsDeterministicAndLeavesNoTemporaryFile()
    {
        Tokenizer tokenizer = BytePairTokenizer.Train(SampleText.Lines);
        tokenizer.Save(_folder["a.json"]);
        File.WriteAllText(_folder["b.json"], "an older, longer file".PadRight(100_000));
        Tokenizer.Load(_folder["a.json"]).Save(_folder["b.json"]);
        Assert.Equal(File.ReadAllText(_folder["a.json"]), File.ReadAllText(_folder["b.json"]));
        Assert.False(File.Exists(_folder["b.json.tmp"]));
    }

    [Fact]
    public void Save_ThrowsOnMissingFolder()
    {
        Tokenizer tokenizer = WordTokenizer.Train(["a"]);
        string path = _folder[Path.Combine("none", "t.json")];
        IOException e = Assert.Throws<IOException>(() => tokenizer.Save(path));
        Assert.Equal(
            $"Could not write '{path}': no folder '{_folder["none"]}'. Create it first.",
            e.Message);
        Assert.Throws<IOException>(() => tokenizer.Save(Path.GetDirectoryName(_folder["x"])!));
    }

    [Fact]
    public void Save_WritesTheHuggingFaceLayout()
    {
        JsonNode file = BytePairFile();
        Assert.Equal("1.0", (string?)file["version"]);
        Assert.Equal("<pad>", (string?)file["added_tokens"]![0]!["content"]);
        Assert.Equal("ByteLevel", (string?)file["pre_tokenizer"]!["type"]);
        Assert.Equal("ByteLevel", (string?)file["decoder"]!["type"]);
        Assert.Equal("BPE", (string?)file["model"]!["type"]);
        Assert.Equal(4 + ' ', (int?)file["model"]!["vocab"]!["Ġ"]);
        Assert.Equal(4 + 0xAD, (int?)file["model"]!["vocab"]!["Ń"]);
        Assert.Equal("Ġ a", (string?)file["model"]!["merges"]![0]);
    }

    [Fact]
    public void Load_ReadsMergesAsPairs()
    {
        JsonNode file = BytePairFile();
        JsonArray merges = file["model"]!["merges"]!.AsArray();
        string[] pair = ((string)merges[0]!).Split(' ');
        merges[0] = new JsonArray(pair[0], pair[1]);
        Tokenizer loaded = Tokenizer.Load(_folder.Write("t.json", file.ToJsonString()));
        Assert.Equal("Ġa", loaded.Token(loaded.Encode(" a")[0]));
    }

    [Fact]
    public void Load_ReadsSpecialTokensAtAnyId()
    {
        JsonNode file = JsonNode.Parse(WordFile)!;
        file["added_tokens"]![0]!["id"] = 4;
        file["model"]!["vocab"] = new JsonObject
        {
            ["a"] = 0, ["<unk>"] = 1, ["<bos>"] = 2, ["<eos>"] = 3, ["<pad>"] = 4,
        };
        Tokenizer loaded = Tokenizer.Load(_folder.Write("t.json", file.ToJsonString()));
        Assert.Equal(new SpecialTokens(4, 1, 2, 3), loaded.Special);
        Assert.Equal([0, 1, 1, 1], loaded.Encode("a <pad>"));
    }

    [Theory]
    [InlineData("", "is empty; expected a tokenizer.json file.")]
    [InlineData("{\"version\": \n \"1.0", "is not JSON or is cut off: line 2, byte 6.")]
    [InlineData("[1]", "is not a JSON object.")]
    [InlineData("{}", "has no 'model' with a 'type'; expected a tokenizer.json file.")]
    [InlineData("{\"model\": 3}", "has a 'model' without a 'type'.")]
    [InlineData(
        "{\"model\": {\"type\": \"Other\"}}",
        "has model type 'Other'; expected WordLevel, BPE, WordPiece or Unigram.")]
    [InlineData("{\"model\": {\"type\": \"\\ud800\"}}", "holds a string that is no valid Unicode.")]
    public void Load_ThrowsOnDamagedFiles(string content, string fault) =>
        AssertFault(content, fault);

    [Theory]
    [InlineData("\"a\": 4", "\"a\": 4, \"a\": 5", "has token 'a' twice in 'model.vocab'.")]
    [InlineData("\"a\": 4", "\"a\": 4, \"b\": 4",
        "gives id 4 to 'a' and to 'b'.")]
    [InlineData("\"a\": 4", "\"a\": 9",
        "has no token with id 4; expected ids 0 to 4 for its 5 tokens.")]
    [InlineData("\"a\": 4", "\"a\": 2147483647",
        "has no token with id 4; expected ids 0 to 4 for its 5 tokens.")]
    [InlineData("\"a\": 4", "\"a\": -4", "gives token 'a' an id that is no number from 0 up.")]
    [InlineData("\"a\": 4", "\"a\": \"4\"", "gives token 'a' an id that is no number from 0 up.")]
    [InlineData("\"id\": 0", "\"id\": 4", "gives token '<pad>' the ids 0 and 4.")]
    [InlineData("\"vocab\"", "\"words\"", "has no 'model.vocab' object.")]
    [InlineData("\"<eos>\"", "\"<end>\"", "lacks the special token '<eos>' in 'added_tokens'.")]
    [InlineData("\"added_tokens\"", "\"others\"",
        "lacks the special token '<pad>' in 'added_tokens'.")]
    [InlineData("\"special\": true", "\"special\": false",
        "has added token '<pad>' that is not special.")]
    [InlineData("\"content\"", "\"text\"",
        "has an entry in 'added_tokens' without 'content' or 'id'.")]
    [InlineData("\"normalizer\": null", "\"normalizer\": {\"type\": \"Prepend\"}",
        "has normalizer 'Prepend', which is not supported; expected BertNormalizer, Nmt, NFC, " +
        "NFD, NFKC, NFKD, StripAccents, Lowercase, Replace or Strip.")]
    [InlineData("\"pre_tokenizer\"", "\"splitter\"",
        "has a 'pre_tokenizer' that cuts words in another way; expected Split with the pattern " +
        "that WordTokenizer writes.")]
    public void Load_ThrowsOnFaultyWordFiles(string right, string wrong, string fault)
    {
        Assert.Contains(right, WordFile, StringComparison.Ordinal);
        AssertFault(WordFile.Replace(right, wrong, StringComparison.Ordinal), fault);
    }

    public static TheoryData<string, Action<JsonNode>> BytePairFaults => new()
    {
        { "has merge 1 that names the unknown piece 'zq'.",
            file => file["model"]!["merges"]![0] = "z q" },
        { "has merge 1 that names the unknown piece 'nope'.",
            file => file["model"]!["merges"]![0] = "nope a" },
        { "has merge 2 'Ġ a' a second time.",
            file => file["model"]!["merges"]!.AsArray().Insert(1, "Ġ a") },
        { "has merge 1 that is not a pair of pieces.",
            file => file["model"]!["merges"]![0] = "Ġa" },
        { "has merge 1 that is not a pair of pieces.",
            file => file["model"]!["merges"]![0] = 7 },
        { "has no 'model.merges' array.", file => file["model"]!["merges"] = null },
        { "has token '→', which is not in the byte-level alphabet.",
            file => Rename(file, "Ġa", "→") },
        { "lacks a token for byte 122 ('z'); expected all 256.",
            file => Rename(file, "z", "zzzz") },
        { "has a 'normalizer'; byte-pair files here have none.",
            file => file["normalizer"] = new JsonObject { ["type"] = "NFC" } },
        { "has another 'pre_tokenizer' than ByteLevel with add_prefix_space false and use_regex " +
            "true, the only one supported.",
            file => file["pre_tokenizer"]!["add_prefix_space"] = true },
        { "has another 'decoder' than ByteLevel, the only one supported.",
            file => file["decoder"] = null },
        { "sets 'model.dropout', which is not supported.",
            file => file["model"]!["dropout"] = 0.1 },
    };

    [Theory]
    [MemberData(nameof(BytePairFaults), DisableDiscoveryEnumeration = true)]
    public void Load_ThrowsOnFaultyBytePairFiles(string fault, Action<JsonNode> damage)
    {
        JsonNode file = BytePairFile();
        damage(file);
        AssertFault(file.ToJsonString(), fault);
    }

    [Fact]
    public void Load_SurvivesCuttingAnywhere()
    {
        byte[] whole = System.Text.Encoding.UTF8.GetBytes(WordFile);
        for (int length = 0; length < whole.Length; length++)
        {
            string path = _folder.Write("cut.json", whole[..length]);
            Assert.Throws<InvalidDataException>(() => Tokenizer.Load(path));
        }
    }

    [Fact]
    public void Load_ThrowsOnMissingFile()
    {
        string path = _folder["none.json"];
        var e = Assert.Throws<FileNotFoundException>(() => Tokenizer.Load(path));
        Assert.Equal($"Cannot find tokenizer file '{path}'. Check the path.", e.Message);
    }

    /// <summary>A word tokenizer's file that knows the word "a".</summary>
    private static string WordFile { get; } = SavedText(WordTokenizer.Train(["a"]));

    private static JsonNode BytePairFile() =>
        JsonNode.Parse(SavedText(BytePairTokenizer.Train(["a a b a b a a", " a a"])))!;

    private static string SavedText(Tokenizer tokenizer)
    {
        using TemporaryFolder folder = new();
        tokenizer.Save(folder["t.json"]);
        return File.ReadAllText(folder["t.json"]);
    }

    private static void Rename(JsonNode file, string token, string name)
    {
        JsonObject vocabulary = file["model"]!["vocab"]!.AsObject();
        int id = (int)vocabulary[token]!;
        vocabulary.Remove(token);
        vocabulary[name] = id;
    }

    private static void AssertEqual(Tokenizer expected, Tokenizer actual)
    {
        Assert.Equal(expected.Special, actual.Special);
        Assert.Equal(
            Enumerable.Range(0, expected.VocabularySize).Select(expected.Token),
            Enumerable.Range(0, actual.VocabularySize).Select(actual.Token));
        RandomText.Check(RandomText.Any, text =>
            expected.Encode(text).SequenceEqual(actual.Encode(text)));
        Assert.All(SampleText.Lines, line =>
            Assert.Equal(expected.Encode(line), actual.Encode(line)));
    }

    private Tokenizer SaveAndLoad(Tokenizer tokenizer)
    {
        tokenizer.Save(_folder["tokenizer.json"]);
        return Tokenizer.Load(_folder["tokenizer.json"]);
    }

    private void AssertFault(string content, string fault)
    {
        string path = _folder.Write("faulty.json", content);
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => Tokenizer.Load(path));
        Assert.Equal($"Tokenizer file '{path}' {fault}", e.Message);
    }
}
