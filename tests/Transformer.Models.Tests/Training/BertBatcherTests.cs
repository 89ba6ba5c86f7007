using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>The texts of pre-training: their form, the proportions of masking and pairing, and that
/// they repeat.</summary>
/// <remarks>Proportions are held to five standard deviations of a binomial share, which chance
/// passes once in two million; the seeds are fixed.</remarks>
public sealed class BertBatcherTests
{
    private const int Rows = 16, Length = 24;

    private static readonly BertTokens Tokens = BertTokens.Of(BertData.Tokenizer);

    private static readonly SentenceDataset Sentences = BertData.Sentences(40, 12);

    [Fact]
    public void Masks_KeepTheirProportions()
    {
        BertBatcher batcher = new(Sentences, BertData.Masking, Rows, Length, seed: 3);
        BertBatch batch = new(Rows, Length, batcher.Masked);
        long candidates = 0, chosen = 0, masked = 0, kept = 0, random = 0;
        int[] drawn = new int[BertData.Config.Vocabulary];
        for (int epoch = 0; epoch < 60; epoch++)
        {
            batcher.StartEpoch(epoch);
            for (int i = 0; i < batcher.BatchCount; i++)
            {
                batcher.Fill(i, batch);
                candidates += batch.Lengths.Sum() - (3 * Rows);
                for (int place = 0; place < batch.Labels.Length; place++)
                {
                    int label = batch.Labels[place];
                    if (label == Batch.IgnoredLabel) continue;
                    int now = batch.Ids[batch.MaskedRows[place]];
                    chosen++;
                    if (now == Tokens.Mask) masked++;
                    else if (now == label) kept++;
                    else random++;
                    if (now != Tokens.Mask && now != label) drawn[now]++;
                }
            }
        }

        AssertShare(0.15, chosen, candidates);
        AssertShare(0.8, masked, chosen);

        // A random token is the true one in one of 20 cases.
        AssertShare(0.1 + (0.1 / 20), kept, chosen);
        AssertShare(0.1 * 19 / 20, random, chosen);
        Assert.All(drawn[..7], n => Assert.Equal(0, n));
        Assert.All(drawn[7..], n => AssertShare(1.0 / 20, n, random));
    }

    [Fact]
    public void PairsFollow_InHalfOfTheCases()
    {
        BertBatcher batcher = new(Sentences, BertData.Masking, Rows, Length, seed: 4);
        BertBatch batch = new(Rows, Length, batcher.Masked);
        long follows = 0, pairs = 0;
        for (int epoch = 0; epoch < 60; epoch++)
        {
            batcher.StartEpoch(epoch);
            for (int i = 0; i < batcher.BatchCount; i++)
            {
                batcher.Fill(i, batch);
                follows += batch.NextLabels.Count(label => label == 0);
                pairs += Rows;
            }
        }

        AssertShare(0.5, follows, pairs);
    }

    /// <summary>Every text is [CLS] A [SEP] B [SEP] of real sentences; a pair that is labelled so
    /// stands side by side in a document, and the others come from different documents.</summary>
    [Fact]
    public void Texts_AreWhatTheirLabelsSay()
    {
        string[] documents = [.. string.Join('\n', BertData.Lines(40, 12)).Split("\n\n")
            .Select(d => d.Replace("\n", " ", StringComparison.Ordinal).Trim())
            .Where(d => d.Length > 0)];
        Assert.Equal(40, documents.Length);
        BertBatcher batcher = new(Sentences, BertData.Masking, Rows, Length, seed: 5);
        BertBatch batch = new(Rows, Length, batcher.Masked);
        int apart = 0, full = 0;
        for (int i = 0; i < batcher.BatchCount; i++)
        {
            batcher.Fill(i, batch);
            for (int place = 0; place < batch.Labels.Length; place++)
            {
                if (batch.Labels[place] != Batch.IgnoredLabel)
                    batch.Ids[batch.MaskedRows[place]] = batch.Labels[place];
            }

            for (int row = 0; row < Rows; row++)
            {
                int length = batch.Lengths[row];
                int[] ids = batch.Ids[(row * Length)..((row + 1) * Length)];
                int[] segments = batch.Segments[(row * Length)..((row + 1) * Length)];
                int middle = Array.IndexOf(ids, Tokens.Separator);
                Assert.Equal(Tokens.Class, ids[0]);
                Assert.Equal(Tokens.Separator, ids[length - 1]);
                Assert.InRange(middle, 2, length - 3);
                Assert.All(ids[length..], id => Assert.Equal(Tokens.Pad, id));
                Assert.DoesNotContain(Tokens.Mask, ids);
                Assert.Equal(
                    Enumerable.Range(0, Length).Select(p => p > middle && p < length ? 1 : 0),
                    segments);
                string a = BertData.Tokenizer.Decode(ids.AsSpan(1, middle - 1));
                string b = BertData.Tokenizer.Decode(ids.AsSpan(middle + 1, length - middle - 2));
                Assert.Contains(documents, d => d.Contains(a, StringComparison.Ordinal));
                Assert.Contains(documents, d => d.Contains(b, StringComparison.Ordinal));
                bool meet = documents.Any(d => d.Contains($"{a} {b}", StringComparison.Ordinal));
                if (batch.NextLabels[row] == 0) Assert.True(meet, $"{a} | {b}");
                else if (!meet) apart++;
                if (length >= Length - 7) full++;
            }
        }

        // Chance makes a few that fit; sentences of at most 7 letters fill most of the room.
        int pairs = batcher.BatchCount * Rows;
        Assert.InRange(apart, pairs / 3, pairs);
        Assert.InRange(full, 2 * pairs / 3, pairs);
    }

    [Fact]
    public void OneDocument_GivesPairsFromElsewhereInIt()
    {
        SentenceDataset one = new([[[7, 8], [9, 10], [11, 12]]]);
        BertBatcher batcher = new(one, BertData.Masking, 64, 8, seed: 6);
        BertBatch batch = new(64, 8, batcher.Masked);
        batcher.Fill(0, batch);
        HashSet<string> seen = [];
        for (int row = 0; row < 64; row++)
        {
            int[] ids = batch.Ids[(row * 8)..((row + 1) * 8)];
            for (int place = row * batch.Masked; place < (row + 1) * batch.Masked; place++)
            {
                if (batch.Labels[place] >= 0)
                    ids[batch.MaskedRows[place] - (row * 8)] = batch.Labels[place];
            }

            seen.Add($"{batch.NextLabels[row]}: " +
                string.Join(' ', ids.Where(id => id >= 7)));
        }

        // After the first sentence comes the second, elsewhere is the third; before the last one
        // comes the second, elsewhere is the first. Five letters are all the room.
        Assert.Equal(
            ["0: 7 8 9 10", "0: 9 10 11 12", "1: 7 8 11 12", "1: 9 10 7 8"], seen.Order());
    }

    [Fact]
    public void TheSameSeedAndEpoch_GiveTheSameBatch_OthersDoNot()
    {
        int[] Ids(ulong seed, int epoch, int batch)
        {
            BertBatcher batcher = new(Sentences, BertData.Masking, Rows, Length, seed);
            BertBatch destination = new(Rows, Length, batcher.Masked);
            batcher.StartEpoch(epoch);
            batcher.Fill(0, destination);
            batcher.Fill(batch, destination);
            return [.. destination.Ids, .. destination.Labels, .. destination.NextLabels];
        }

        int[] first = Ids(7, 2, 3);
        Assert.Equal(first, Ids(7, 2, 3));
        Assert.NotEqual(first, Ids(8, 2, 3));
        Assert.NotEqual(first, Ids(7, 3, 3));
        Assert.NotEqual(first, Ids(7, 2, 4));
    }

    [Fact]
    public void UnknownWords_AreNeitherChosenNorPutIn()
    {
        int unknown = BertData.Tokenizer.Special.Unknown;
        SentenceDataset text = new([[[unknown, 7, unknown], [unknown, 8]], [[unknown, 9]]]);
        BertBatcher batcher = new(text, BertData.Masking, 32, 12, seed: 8);
        BertBatch batch = new(32, 12, batcher.Masked);
        for (int epoch = 0; epoch < 20; epoch++)
        {
            batcher.StartEpoch(epoch);
            batcher.Fill(0, batch);
            Assert.DoesNotContain(unknown, batch.Labels);
            Assert.Contains(batch.Labels, label => label >= 7);
        }
    }

    [Fact]
    public void BadData_IsRefused()
    {
        Message("SentenceDataset: 2 sentences in 1 documents; expected sentences that follow",
            () => new SentenceDataset([[[7], [8]]]));
        Message("SentenceDataset: 2 sentences in 2 documents; expected sentences that follow",
            () => SentenceDataset.Encode(["a b", "", "c", " "], BertData.Tokenizer));
        Message("BertBatcher: 4 texts of 7 tokens; expected 1 or more, of 8 or more.",
            () => new BertBatcher(Sentences, BertData.Masking, 4, 7, 1));
        Message("BertBatcher: the sentences hold the token 99; the tokenizer has 0 to 26.",
            () => new BertBatcher(
                new([[[99], [8], [9]]]), BertData.Masking, 1, 8, 1));
        Message("BertBatcher: all tokens of the sentences are special ones.",
            () => new BertBatcher(new([[[1], [1], [1]]]), BertData.Masking, 1, 8, 1));
        Message("BertTokens: the tokenizer has no token '[CLS]'; BERT needs [CLS], [SEP], [MASK].",
            () => new TokenMasking(WordTokenizer.Train(["a b c"])));

        static void Message(string expected, Func<object> make) => Assert.StartsWith(
            expected, Assert.Throws<ArgumentException>(make).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new[] { "a", "b", "", "c", "d", "", "e", "f", "" }, 6)]
    [InlineData(new[] { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" }, 9)]
    public void Splitting_KeepsDocumentsWhole(string[] lines, int expected)
    {
        (string[] training, string[] validation) = SentenceDataset.Split(lines, 0.1);
        Assert.Equal(expected, training.Length);
        Assert.Equal(lines, training.Concat(validation));
    }

    private static void AssertShare(double expected, long count, long total)
    {
        double allowed = 5 * Math.Sqrt(expected * (1 - expected) / total);
        double share = (double)count / total;
        Assert.True(Math.Abs(share - expected) <= allowed,
            $"{count} of {total} is {share:F5}; expected {expected:F5} ± {allowed:F5}");
    }
}
