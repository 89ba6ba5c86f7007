using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

/// <summary>What every kind of tokenizer must do: places, batches, files.</summary>
public sealed class TokenizerKindsTests : IDisposable
{
    private const string Sample = "Who's a STUDENT? Я студент… 日本語 naïve 😀 <eos> end";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds =>
        ["char", "word", "folded", "bpe", "wordpiece", "cased", "unigram", "bytes"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Offsets_AreInOrderWithinTheText(string kind)
    {
        Tokenizer tokenizer = Train(kind);
        RandomText.Check(RandomText.Any, text =>
        {
            TokenizedText tokens = tokenizer.Tokenize(text);
            int before = 0;
            foreach (TokenOffset place in tokens.Offsets)
            {
                if (place.Start < before || place.End < place.Start || place.End > text.Length)
                    return false;
                before = place.Start;
            }
            return tokens.Ids.SequenceEqual(tokenizer.Encode(text)) &&
                tokens.Offsets.Count == tokens.Ids.Count;
        });
    }

    [Theory]
    [InlineData("char")]
    [InlineData("word")]
    [InlineData("cased")]
    public void Offsets_PointAtTheTokensText(string kind)
    {
        Tokenizer tokenizer = Train(kind);
        foreach (string line in SampleText.Lines)
        {
            TokenizedText tokens = tokenizer.Tokenize(line);
            for (int i = 0; i < tokens.Ids.Count; i++)
            {
                if (tokens.Ids[i] == tokenizer.Special.Unknown) continue;
                TokenOffset place = tokens.Offsets[i];
                string piece = tokenizer.Token(tokens.Ids[i]);
                if (piece.StartsWith("##", StringComparison.Ordinal)) piece = piece[2..];
                Assert.Equal(piece, line[place.Start..place.End]);
            }
        }
    }

    [Theory]
    [InlineData("char")]
    [InlineData("bpe")]
    public void Offsets_CoverTheWholeText(string kind)
    {
        Tokenizer tokenizer = Train(kind);
        RandomText.Check(RandomText.Any, text =>
        {
            int end = 0;
            foreach (TokenOffset place in tokenizer.Tokenize(text).Offsets)
            {
                if (place.Start > end) return false;
                end = Math.Max(end, place.End);
            }
            return end == text.Length;
        });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Batches_GiveWhatOneTextGives(string kind)
    {
        string[] texts = [.. Enumerable.Range(0, 203)
            .Select(i => $"{SampleText.Lines[i % SampleText.Lines.Length]} {i * 7919}")];
        Tokenizer alone = Train(kind);
        int[][] expected = [.. texts.Select(alone.Encode)];
        Tokenizer shared = Train(kind);
        foreach (int threads in (int[])[1, 3, 0])
        {
            Assert.Equal(expected, shared.EncodeBatch(texts, threads: threads));
            Assert.Equal(
                expected.Select(ids => alone.Decode(ids)),
                shared.DecodeBatch(expected, threads));
        }
        // Many threads meet in an empty cache.
        Tokenizer cold = Train(kind);
        Parallel.For(0, 4, new() { MaxDegreeOfParallelism = 4 },
            _ => Assert.Equal(expected, cold.EncodeBatch(texts, threads: 2)));
    }

    [Fact]
    public void Batches_RefuseNullAndNegativeThreads()
    {
        Tokenizer tokenizer = Train("char");
        Assert.Equal(
            "Tokenizer: item 1 of the batch is null.",
            Assert.Throws<ArgumentException>(() => tokenizer.EncodeBatch(["a", null!])).Message);
        Assert.Equal(
            "Tokenizer: 'threads' is -1; expected 1 or more, or 0 for all.",
            Assert.Throws<ArgumentException>(
                () => tokenizer.DecodeBatch([[4]], threads: -1)).Message);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Files_KeepWhatTheTokenizerDoes(string kind)
    {
        Tokenizer tokenizer = Train(kind);
        tokenizer.Save(_folder["tokenizer.json"]);
        Tokenizer loaded = Tokenizer.Load(_folder["tokenizer.json"]);
        Assert.Equal(tokenizer.GetType(), loaded.GetType());
        Assert.Equal(tokenizer.VocabularySize, loaded.VocabularySize);
        Assert.Equal(tokenizer.Special, loaded.Special);
        foreach (string text in SampleText.Lines.Append(Sample))
        {
            TokenizedText expected = tokenizer.Tokenize(text), actual = loaded.Tokenize(text);
            Assert.Equal(expected.Ids, actual.Ids);
            Assert.Equal(expected.Offsets, actual.Offsets);
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(tokenizer.Decode(ids), loaded.Decode(ids));
        }
        byte[] first = File.ReadAllBytes(_folder["tokenizer.json"]);
        loaded.Save(_folder["again.json"]);
        Assert.Equal(first, File.ReadAllBytes(_folder["again.json"]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void SpecialTokens_AreFoundInTextWhenAskedFor(string kind)
    {
        Tokenizer tokenizer = Train(kind);
        string name = tokenizer.Token(tokenizer.Special.Eos);
        string text = $"a {name} b";
        EncodingOptions options = new()
        {
            ParseSpecialTokens = true, AddBos = true, AddEos = true,
        };
        TokenizedText tokens = tokenizer.Tokenize(text, options);
        Assert.Equal(2, tokens.Ids.Count(id => id == tokenizer.Special.Eos));
        int place = tokens.Ids.ToList().IndexOf(tokenizer.Special.Eos);
        Assert.Equal(new(2, 2 + name.Length), tokens.Offsets[place]);
        Assert.Equal(tokenizer.Special.Bos, tokens.Ids[0]);
        Assert.DoesNotContain(tokenizer.Special.Eos, tokenizer.Encode(text));
    }

    [Fact]
    public void WordPiece_ChineseCharactersStandApart()
    {
        Tokenizer tokenizer = WordPieceTokenizer.Train(
            ["日本語 日本語 hello", "Été été"], new() { MinFrequency = 1 });
        Assert.Equal(
            ["日", "本", "語", "hello"],
            tokenizer.Encode("日本語HELLO").Select(tokenizer.Token));
        Assert.Equal(tokenizer.Encode("ete"), tokenizer.Encode("ÉTÉ"));
    }

    [Fact]
    public void OtherFormats_KeepTheTokens()
    {
        BytePairTokenizer pairs = (BytePairTokenizer)Train("bpe");
        pairs.SaveGpt2(_folder["vocab.json"], _folder["merges.txt"]);
        WordPieceTokenizer pieces = (WordPieceTokenizer)Train("wordpiece");
        pieces.SaveVocabulary(_folder["vocab.txt"]);
        WordPieceTokenizer cased = (WordPieceTokenizer)Train("cased");
        cased.SaveVocabulary(_folder["cased.txt"]);
        foreach (string text in SampleText.Lines.Append(Sample))
        {
            Assert.Equal(pairs.Encode(text), Tokenizer.Load(_folder["vocab.json"]).Encode(text));
            Assert.Equal(pieces.Encode(text), Tokenizer.Load(_folder["vocab.txt"]).Encode(text));
            Assert.Equal(cased.Encode(text), Tokenizer.Load(_folder["cased.txt"]).Encode(text));
        }
        // What is written beside the vocabulary goes before the guess from its letters.
        _folder.Write("tokenizer_config.json", "{\"do_lower_case\": false}");
        Assert.False(((WordPieceTokenizer)Tokenizer.Load(_folder["vocab.txt"])).Lowercase);
    }

    internal static Tokenizer Train(string kind) => kind switch
    {
        "char" => CharacterTokenizer.Train(SampleText.Lines),
        "word" => WordTokenizer.Train(SampleText.Lines),
        "folded" => WordTokenizer.Train(
            SampleText.Lines, new() { Lowercase = true, StripAccents = true }),
        "bpe" => BytePairTokenizer.Train(SampleText.Lines, new() { VocabularySize = 320 }),
        "wordpiece" => WordPieceTokenizer.Train(SampleText.Lines, new() { VocabularySize = 150 }),
        "cased" => WordPieceTokenizer.Train(
            SampleText.Lines, new() { VocabularySize = 150, Lowercase = false }),
        "unigram" => UnigramTokenizer.Train(SampleText.Lines, new() { VocabularySize = 120 }),
        _ => UnigramTokenizer.Train(
            SampleText.Lines, new() { VocabularySize = 400, ByteFallback = true }),
    };
}
