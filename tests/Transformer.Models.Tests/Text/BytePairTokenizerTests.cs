using System.Text;
using System.Text.RegularExpressions;
using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

public class BytePairTokenizerTests
{
    private static readonly BytePairTokenizer Sample =
        BytePairTokenizer.Train(SampleText.Lines, new() { VocabularySize = 300 });

    [Fact]
    public void Train_LearnsTheWorkedExample()
    {
        // Words: "low" ×5, "lower" ×2 and, with their space, "␣newest" ×6, "␣widest" ×3.
        // Pairs: es 9, st 9, we 8, lo 7, ow 7, ␣n ne ew 6, ␣w wi id de 3, er 2.
        // 1. es 9 (before st: the smaller left byte).  2. es+t 9.  Now w+e is 2, w+est 6.
        // 3. l+o 7 (before o+w).  4. lo+w 7.
        // 5. ␣+n 6, the smallest left byte of ␣n ne ew w+est.  6. e+w, for ␣n has a later id.
        // 7. ␣n+ew, ␣n being learnt before ew.  8. ␣new+est 6.
        string[] lines =
        [
            "low newest newest widest", "low newest newest widest", "low newest newest widest",
            "low", "low", "lower", "lower",
        ];
        BytePairTokenizer tokenizer = BytePairTokenizer.Train(
            lines, new() { VocabularySize = 268 });
        Assert.Equal(
            ["es", "est", "lo", "low", "Ġn", "ew", "Ġnew", "Ġnewest"],
            Enumerable.Range(260, 8).Select(tokenizer.Token));
        Assert.Equal(["low", "est"], Tokens(tokenizer, "lowest"));
        Assert.Equal(["low", "Ġnewest", "Ġ", "w", "i", "d", "est"],
            Tokens(tokenizer, "low newest widest"));
    }

    [Fact]
    public void Train_AgreesWithPlainRecounting()
    {
        BytePairOptions options = new() { VocabularySize = 450, MinFrequency = 1 };
        BytePairTokenizer tokenizer = BytePairTokenizer.Train(SampleText.Lines, options);
        Assert.Equal(450, tokenizer.VocabularySize);
        Assert.Equal(
            LearnPlainly(SampleText.Lines, 190),
            Enumerable.Range(260, 190).Select(tokenizer.Token));
    }

    [Fact]
    public void Train_AgreesWithPlainRecounting_OnRepetitions()
    {
        string[] lines = ["aaaaaaa aaaa aaa ababababa abab baba bbbbab aabbaabb ab aab abb"];
        BytePairTokenizer tokenizer = BytePairTokenizer.Train(
            lines, new() { VocabularySize = 10_000, MinFrequency = 1 });
        List<string> expected = LearnPlainly(lines, int.MaxValue);
        Assert.Equal(260 + expected.Count, tokenizer.VocabularySize);
        Assert.Equal(
            expected, Enumerable.Range(260, expected.Count).Select(tokenizer.Token));
        // All merges used: each word, with its space, is one token.
        Assert.Equal(11, tokenizer.Encode(lines[0]).Length);
    }

    [Fact]
    public void Train_DoesNotDependOnLineOrder()
    {
        BytePairTokenizer reversed = BytePairTokenizer.Train(
            SampleText.Lines.Reverse(), new() { VocabularySize = 300 });
        Assert.Equal(300, Sample.VocabularySize);
        Assert.Equal(
            Enumerable.Range(0, 300).Select(Sample.Token),
            Enumerable.Range(0, 300).Select(reversed.Token));
    }

    [Fact]
    public void Train_StopsWherePairsAreRare()
    {
        BytePairTokenizer tokenizer = BytePairTokenizer.Train(["ab ab", "xy"]);
        // "ab" and " ab" differ in their first piece: (a b) occurs twice, (␣ ab) once.
        Assert.Equal(1, tokenizer.MergeCount);
        Assert.Equal(261, tokenizer.VocabularySize);
    }

    [Fact]
    public void Train_CountsLongRunsInParts()
    {
        string run = string.Concat(Enumerable.Repeat("ab😀", 1000));
        BytePairTokenizer tokenizer = BytePairTokenizer.Train([run, "x" + run]);
        Assert.Equal(run, tokenizer.Decode(tokenizer.Encode(run)));
        Assert.True(tokenizer.MergeCount > 3);
    }

    [Fact]
    public void Train_ReportsProgressAndStops()
    {
        List<double> parts = [];
        BytePairOptions options = new() { VocabularySize = 300 };
        BytePairTokenizer.Train(SampleText.Lines, options, new Listener(parts.Add));
        Assert.Equal(1, parts[^1]);
        Assert.True(parts.Count > 1);
        Assert.Equal(parts.Order(), parts);

        using CancellationTokenSource source = new();
        Listener stop = new(_ => source.Cancel());
        Assert.Throws<OperationCanceledException>(
            () => BytePairTokenizer.Train(SampleText.Lines, options, stop, source.Token));
    }

    [Theory]
    [InlineData(259, 2, "'VocabularySize' is 259; expected at least 260")]
    [InlineData(0, 2, "'VocabularySize' is 0")]
    [InlineData(300, 0, "'MinFrequency' is 0")]
    public void Train_ThrowsOnBadOptions(int size, int frequency, string message)
    {
        BytePairOptions options = new() { VocabularySize = size, MinFrequency = frequency };
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => BytePairTokenizer.Train(["a"], options));
        Assert.StartsWith("BytePairTokenizer: ", e.Message);
        Assert.Contains(message, e.Message);
    }

    [Fact]
    public void Train_ThrowsOnEmptyText() => Assert.Equal(
        "BytePairTokenizer: the training text is empty; expected lines of text.",
        Assert.Throws<ArgumentException>(() => BytePairTokenizer.Train([""])).Message);

    [Fact]
    public void Decode_RestoresAnyText() => RandomText.Check(
        RandomText.Any, text => Sample.Decode(Sample.Encode(text)) == text);

    [Fact]
    public void Encode_NeverGivesSpecialIds()
    {
        RandomText.Check(RandomText.Any, text => Sample.Encode(text).All(id => id >= 4));
        BytePairTokenizer trained = BytePairTokenizer.Train(Enumerable.Repeat("<pad> <eos>", 9));
        Assert.All(trained.Encode("<pad><unk> <eos>"), id => Assert.True(id >= 4));
        Assert.Equal("<pad><unk> <eos>", trained.Decode(trained.Encode("<pad><unk> <eos>")));
    }

    [Fact]
    public void Encode_ReplacesLoneSurrogates() => Assert.Equal(
        "a\uFFFDb😀\uFFFD", Sample.Decode(Sample.Encode("a\uD800b😀\uDE00")));

    [Fact]
    public void Decode_ReplacesInvalidUtf8()
    {
        int[] ids = Sample.Encode("😀");
        Assert.Equal("\uFFFD", Sample.Decode(ids.AsSpan(0, ids.Length - 1)));
        Assert.Equal("😀", Sample.Decode([0, .. ids, 3]));
    }

    [Theory]
    [InlineData("I'm they'll 'tis", "I|'m| they|'ll| '|tis")]
    [InlineData("a  b   \n c", "a| | b|   \n| c")]
    [InlineData("x1 23,5  ", "x|1| 23|,|5|  ")]
    [InlineData(" привет, мир!?", " привет|,| мир|!?")]
    [InlineData("'S'd're 've", "'|S|'d|'re| '|ve")]
    [InlineData(" 𝒜𝒷٣😀", " 𝒜𝒷|٣|😀")]
    public void Splitter_CutsAsGpt2(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', Split(text)));

    [Fact]
    public void Splitter_AgreesWithItsPattern() => RandomText.Check(RandomText.BasicPlane, text =>
        Regex.Matches(text, ByteLevelSplitter.Pattern).Select(m => m.Value)
            .SequenceEqual(Split(text)));

    [Fact]
    public void Merger_ScanAndHeapAgree()
    {
        byte[] bytes = Enumerable.Range(0, 256).Select(b => (byte)b).ToArray();
        BytePairMerge[] merges =
        [
            new('a', 'a', 300), new(300, 300, 301), new('b', 'a', 302), new(302, 'a', 303),
            new(300, 'b', 304), new(301, 304, 305), new('a', 'b', 306), new(306, 302, 307),
        ];
        BytePairMerger merger = new([.. bytes.Select(b => (int)b)], merges);
        Random random = new(7);
        for (int length = 0; length < 400; length++)
        {
            byte[] word = [.. Enumerable.Range(0, length)
                .Select(_ => (byte)(random.Next(4) == 0 ? 'b' : 'a'))];
            int[] scan = merger.EncodeByScan(word);
            Assert.Equal(scan, merger.EncodeByHeap(word));
            Assert.True(length < 8 || scan.Length < length);
        }
    }

    [Fact]
    public void Encode_IsEqualOnManyThreads()
    {
        BytePairTokenizer shared = BytePairTokenizer.Train(
            SampleText.Lines, new() { VocabularySize = 300 });
        string[] texts = [.. Enumerable.Range(0, 2000)
            .Select(i => $"{SampleText.Lines[i % SampleText.Lines.Length]} student{i % 97}")];
        int[][] expected = [.. texts.Select(Sample.Encode)];
        Parallel.For(0, texts.Length, new() { MaxDegreeOfParallelism = 8 }, i =>
            Assert.Equal(expected[i], shared.Encode(texts[i])));
    }

    /// <summary>The definition: count every pair anew before each merge. Pairs spelling a known
    /// piece merge without a new one.</summary>
    private static List<string> LearnPlainly(string[] lines, int pieces)
    {
        List<List<int>> words = [.. lines.SelectMany(Split)
            .Select(word => Encoding.UTF8.GetBytes(word).Select(b => (int)b).ToList())];
        List<string> names = [.. Enumerable.Range(0, 256)
            .Select(b => ByteAlphabet.ToChar((byte)b).ToString())];
        while (names.Count < 256L + pieces)
        {
            var best = words
                .SelectMany(w => w.Zip(w.Skip(1)))
                .GroupBy(pair => pair)
                .Select(group => (Pair: group.Key, Count: group.Count()))
                .OrderByDescending(entry => entry.Count)
                .ThenBy(entry => entry.Pair)
                .FirstOrDefault();
            if (best.Count == 0) break;
            string name = names[best.Pair.First] + names[best.Pair.Second];
            int id = names.IndexOf(name);
            if (id < 0)
            {
                id = names.Count;
                names.Add(name);
            }
            foreach (List<int> word in words)
            {
                for (int i = 0; i + 1 < word.Count; i++)
                {
                    if ((word[i], word[i + 1]) != best.Pair) continue;
                    word[i] = id;
                    word.RemoveAt(i + 1);
                }
            }
        }
        return names[256..];
    }

    private static IEnumerable<string> Tokens(BytePairTokenizer tokenizer, string text) =>
        tokenizer.Encode(text).Select(tokenizer.Token);

    private static List<string> Split(string text)
    {
        List<string> words = [];
        foreach (ReadOnlySpan<char> word in new ByteLevelSplitter(text)) words.Add(word.ToString());
        return words;
    }

    private sealed class Listener(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
