using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class ParallelDatasetTests
{
    private static readonly (int[], int[])[] Pairs =
        [([5, 6, 7], [8, 9]), ([5, 6, 7, 8, 9], [4]), ([4], [5, 6, 7, 8]), ([9], [])];

    [Fact]
    public void KeepsPairsInOrderAndCountsTokens()
    {
        ParallelDataset data = new(Pairs, SpecialTokens.Default, 5);
        Assert.Equal(4, data.Count);
        Assert.Equal([5, 6, 7, 8, 9], data.Source(1).ToArray());
        Assert.Equal([4], data.Target(1).ToArray());
        Assert.Equal(0, data.Target(3).Length);
        Assert.Equal(3 + 5 + 1 + 1, data.SourceTokens);
        Assert.Equal(3 + 2 + 5 + 1, data.TargetTokens);
        Assert.Equal(0, data.Dropped);
    }

    [Fact]
    public void LongPairsAreRefusedWithTheirCount()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => new ParallelDataset(Pairs, SpecialTokens.Default, 4));
        Assert.Equal(
            "ParallelDataset: 2 of 4 pairs are longer than 4 positions; the longest, pair 2, " +
            "needs 5. Shorten them, leave them out, or raise the model's MaxPositions.",
            e.Message);
    }

    [Fact]
    public void LongPairsAreDroppedWhereChosen()
    {
        ParallelDataset data = new(Pairs, SpecialTokens.Default, 4, LongPairs.Drop);
        Assert.Equal((2, 2), (data.Count, data.Dropped));
        Assert.Equal([9], data.Source(1).ToArray());
    }

    [Fact]
    public void DroppingEveryPairIsRefused() => Assert.StartsWith(
        "ParallelDataset: 4 of 4 pairs",
        Assert.Throws<ArgumentException>(() => new ParallelDataset(
            Pairs.Select(p => (p.Item1.Concat(p.Item1).Append(1).ToArray(), p.Item2)),
            SpecialTokens.Default, 2, LongPairs.Drop)).Message);

    [Fact]
    public void NoPairsAndEmptySourcesAreRefused()
    {
        Assert.Contains("there are no pairs", Assert.Throws<ArgumentException>(
            () => new ParallelDataset([], SpecialTokens.Default, 4)).Message);
        Assert.Contains("source of pair 2 is empty", Assert.Throws<ArgumentException>(
            () => new ParallelDataset([([1], [1]), ([], [1])], SpecialTokens.Default, 4)).Message);
    }

    [Fact]
    public void FingerprintTellsDataApart()
    {
        string Of(params (int[], int[])[] pairs) =>
            new ParallelDataset(pairs, SpecialTokens.Default, 9).Fingerprint;
        string[] all =
        [
            Of(([5, 6], [7])), Of(([5], [6, 7])), Of(([5, 6], [8])),
            Of(([5], [6]), ([7], [])), Of(([7], []), ([5], [6])),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.Equal(all[0], Of(([5, 6], [7])));
    }

    [Fact]
    public void EncodedSourcesEndWithTheEndToken()
    {
        WordTokenizer tokenizer = WordTokenizer.Train(["a b c"], new WordTokenizerOptions());
        ParallelDataset data =
            ParallelDataset.Encode([("a b", "c")], tokenizer, tokenizer, maxPositions: 8);
        Assert.Equal([.. tokenizer.Encode("a b"), 3], data.Source(0).ToArray());
        Assert.Equal(tokenizer.Encode("c"), data.Target(0).ToArray());
    }
}
