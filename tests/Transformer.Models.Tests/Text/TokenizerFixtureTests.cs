using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Transformer.Models.Text;
using Transformer.Models.Text.Unicode;

namespace Transformer.Models.Tests.Text;

/// <summary>The tokenizers against the plain Python of <c>Fixtures/make_tokenizers.py</c>.
/// </summary>
public sealed class TokenizerFixtureTests : IDisposable
{
    private static readonly JsonElement Fixture = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(ThisFile())!, "Fixtures",
            "tokenizers.json"))).RootElement;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int> Cases =>
        [.. Enumerable.Range(0, Fixture.GetProperty("cases").GetArrayLength())];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Cases))]
    public void WordPiece_Uncased(int index) => AssertTokens(
        WordPieceTokenizer.LoadVocabulary(WordPieceVocabulary(), lowercase: true), index,
        "uncased");

    [Theory]
    [MemberData(nameof(Cases))]
    public void WordPiece_Cased(int index) => AssertTokens(
        WordPieceTokenizer.LoadVocabulary(WordPieceVocabulary(), lowercase: false), index,
        "cased");

    [Theory]
    [MemberData(nameof(Cases))]
    public void BytePair_FromGpt2Files(int index)
    {
        string[] merges = [.. Fixture.GetProperty("merges").EnumerateArray()
            .Select(merge => merge.GetString()!)];
        string[] tokens = [.. Enumerable.Range(0, 256)
            .Select(b => ByteAlphabet.ToChar((byte)b).ToString())
            .Concat(merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal)))
            .Append("<|endoftext|>")];
        string vocabulary = _folder.Write("vocab.json", JsonSerializer.Serialize(
            tokens.Index().ToDictionary(entry => entry.Item, entry => entry.Index)));
        _folder.Write("merges.txt", "#version: 0.2\n" + string.Join('\n', merges) + "\n");
        Tokenizer tokenizer = Tokenizer.Load(vocabulary);
        AssertTokens(tokenizer, index, "bytePairs");
        string text = Case(index).GetProperty("text").GetString()!;
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Unigram_FindsTheMostProbableCut(int index) =>
        AssertTokens(Unigram(), index, "unigram");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Normalizer_GivesTheFourForms(int index)
    {
        JsonElement item = Case(index);
        string text = item.GetProperty("text").GetString()!;
        foreach ((string name, NormalizationForm form) in ((string, NormalizationForm)[])
        [
            ("nfc", NormalizationForm.FormC), ("nfd", NormalizationForm.FormD),
            ("nfkc", NormalizationForm.FormKC), ("nfkd", NormalizationForm.FormKD),
        ])
        {
            string expected = item.GetProperty(name).GetString()!;
            Assert.Equal(expected, UnicodeNormalizer.Normalize(text, form));
            TextNormalizer parts = new() { Form = form };
            Assert.Equal(expected, parts.Apply(text, isTracked: false).Text.ToString());
        }
    }

    [Fact]
    public void Unigram_SumsOverAllCuts()
    {
        JsonElement cuts = Fixture.GetProperty("cuts");
        (string[] pieces, double[] scores) = UnigramPieces();
        UnigramModel model = new(pieces, scores);
        double[] counts = new double[pieces.Length];
        double whole = model.AddExpected("▁lowest", 1, counts);
        // Sums of a handful of doubles of like size: a few units in the last place.
        Assert.Equal(cuts.GetProperty("logProbability").GetDouble(), whole, 1e-12);
        for (int i = 0; i < pieces.Length; i++)
        {
            double expected = cuts.GetProperty("expected")
                .TryGetProperty(pieces[i], out JsonElement count) ? count.GetDouble() : 0;
            Assert.Equal(expected, counts[i], 1e-12);
        }
    }

    [Fact]
    public void Unigram_ListsTheBestCuts()
    {
        UnigramTokenizer tokenizer = Unigram();
        JsonElement cuts = Fixture.GetProperty("cuts");
        JsonElement[] expected = [.. cuts.GetProperty("best").EnumerateArray()];
        var best = tokenizer.EncodeBest("lowest", expected.Length);
        Assert.Equal(expected.Length, best.Count);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i].GetProperty("score").GetDouble(), best[i].Score, 1e-12);
            Assert.Equal(
                expected[i].GetProperty("pieces").EnumerateArray().Select(p => p.GetString()),
                best[i].Ids.Select(tokenizer.Token));
        }
        Assert.Equal(
            cuts.GetProperty("count").GetInt32(), tokenizer.EncodeBest("lowest", 10_000).Count);
    }

    [Theory]
    [InlineData(1.0)]
    [InlineData(0.2)]
    public void Unigram_DrawsCutsByTheirProbability(double alpha)
    {
        const int draws = 20_000;
        UnigramTokenizer tokenizer = Unigram();
        var all = tokenizer.EncodeBest("lowest", 10_000);
        double sum = all.Sum(way => Math.Exp(alpha * way.Score));
        Dictionary<string, int> counts = [];
        for (ulong seed = 0; seed < draws; seed++)
        {
            string drawn = string.Join(' ', tokenizer.EncodeSample("lowest", alpha, seed));
            counts[drawn] = counts.GetValueOrDefault(drawn) + 1;
        }
        foreach ((int[] ids, double score) in all.Take(8))
        {
            double share = Math.Exp(alpha * score) / sum;
            // Five standard deviations of a binomial share; seeds are fixed.
            double room = 5 * Math.Sqrt(share * (1 - share) / draws);
            double drawn = counts.GetValueOrDefault(string.Join(' ', ids)) / (double)draws;
            Assert.InRange(drawn, share - room, share + room);
        }
        int[] best = all[0].Ids;
        Assert.Equal(best, tokenizer.EncodeSample("lowest", 50, 1));
        Assert.Equal(best, tokenizer.EncodeSample("lowest", alpha, 3, count: 1));
    }

    private static UnigramTokenizer Unigram()
    {
        (string[] pieces, double[] scores) = UnigramPieces();
        return new(
            Vocabulary.WithSpecialTokens(pieces), [0, 0, 0, 0, .. scores],
            new(new UnigramOptions().Normalizer(), ByteFallback: false, SplitsWords: true));
    }

    private static (string[] Pieces, double[] Scores) UnigramPieces()
    {
        JsonProperty[] entries = [.. Fixture.GetProperty("unigram").EnumerateObject()];
        return ([.. entries.Select(e => e.Name)], [.. entries.Select(e => e.Value.GetDouble())]);
    }

    private static JsonElement Case(int index) => Fixture.GetProperty("cases")[index];

    private string WordPieceVocabulary() => _folder.Write("vocab.txt", string.Join('\n',
        WordPieceTokenizer.SpecialNames.Concat(Fixture.GetProperty("wordPieces").EnumerateArray()
            .Select(piece => piece.GetString()!))));

    private static void AssertTokens(Tokenizer tokenizer, int index, string kind)
    {
        JsonElement item = Case(index);
        string text = item.GetProperty("text").GetString()!;
        string[] expected = [.. item.GetProperty(kind).EnumerateArray()
            .Select(token =>
                $"{token[0].GetString()}@{token[1].GetInt32()}:{token[2].GetInt32()}")];
        TokenizedText actual = tokenizer.Tokenize(text);
        Assert.Equal(expected, actual.Ids.Zip(actual.Offsets, (id, place) =>
            $"{tokenizer.Token(id)}@{place.Start}:{place.End}"));
        Assert.Equal(actual.Ids, tokenizer.Encode(text));
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
