using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class BucketBatcherTests
{
    private static readonly ParallelDataset Data = TrainingData.Sentences(9000);
    private static readonly BatchingOptions Options = new() { TokensPerBatch = 1000 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EachPairIsInOneBatchOfAnEpoch(bool shuffle)
    {
        BucketBatcher batcher = new(Data, Options with { Shuffle = shuffle }, seed: 5);
        batcher.StartEpoch(3);
        int[] seen = [.. Enumerable.Range(0, batcher.BatchCount)
            .SelectMany(b => batcher.Pairs(b).ToArray()).Order()];
        Assert.Equal(Enumerable.Range(0, Data.Count), seen);
    }

    [Fact]
    public void SameSeedAndEpochGiveTheSameBatchesInAnyOrderOfAsking()
    {
        BucketBatcher one = new(Data, Options, 5), other = new(Data, Options, 5);
        for (int epoch = 0; epoch < 3; epoch++) one.StartEpoch(epoch);
        other.StartEpoch(2);
        Assert.Equal(one.BatchCount, other.BatchCount);
        Batch a = new(), b = new();
        for (int i = one.BatchCount - 1; i >= 0; i -= 7)
        {
            one.Fill(i, a);
            other.Fill(i, b);
            Assert.Equal(a.Source, b.Source);
            Assert.Equal(a.Labels, b.Labels);
        }
    }

    [Fact]
    public void OtherSeedsAndEpochsGiveOtherBatches()
    {
        BucketBatcher batcher = new(Data, Options, 5);
        int[] first = batcher.Pairs(0).ToArray();
        batcher.StartEpoch(1);
        Assert.NotEqual(first, batcher.Pairs(0).ToArray());
        Assert.NotEqual(first, new BucketBatcher(Data, Options, 6).Pairs(0).ToArray());
    }

    [Fact]
    public void BatchesFillTheBudgetWithFewShapesAndLittlePadding()
    {
        BucketBatcher batcher = new(Data, Options, 1);
        HashSet<BatchShape> shapes = [];
        long padded = 0, partial = 0;
        for (int epoch = 0; epoch < 5; epoch++)
        {
            batcher.StartEpoch(epoch);
            for (int i = 0; i < batcher.BatchCount; i++)
            {
                BatchShape shape = batcher.Shape(i);
                shapes.Add(shape);
                int longer = Math.Max(shape.SourceLength, shape.TargetLength);
                Assert.InRange(shape.Rows * longer, 1, 1000);
                Assert.True(shape.Rows % 8 == 0, $"batch {i} has {shape.Rows} rows");
                if (batcher.Pairs(i).Length < shape.Rows) partial++;
                padded += shape.Rows * (shape.SourceLength + shape.TargetLength);
            }
        }

        // Lengths 1 to 31 give 16 longer sides with few shorter ones each, where each pair of
        // lengths would give hundreds; the last batch of an epoch alone is not full.
        Assert.InRange(shapes.Count, 16, 48);
        Assert.InRange(partial, 0, 5);
        double share = 5.0 * (Data.SourceTokens + Data.TargetTokens) / padded;
        Assert.InRange(share, 0.85, 1);
    }

    [Fact]
    public void BatchHoldsTeacherForcedInputsAndMaskedLabels()
    {
        ParallelDataset data = new(
            [([5, 6, 7], [8, 9]), ([4], [5, 6, 7, 8, 9])], SpecialTokens.Default, 16);
        BucketBatcher batcher = new(
            data,
            new() { TokensPerBatch = 64, LengthMultiple = 4, RowMultiple = 3, Shuffle = false });
        Batch batch = new();
        batcher.Fill(0, batch);
        Assert.Equal(1, batcher.BatchCount);
        Assert.Equal(new BatchShape(3, 4, 8), batch.Shape);
        Assert.Equal([4, 0, 0, 0, 5, 6, 7, 0, 0, 0, 0, 0], batch.Source.ToArray());
        Assert.Equal([1, 3, 1], batch.SourceLengths.ToArray());
        Assert.Equal(
            [2, 5, 6, 7, 8, 9, 0, 0, 2, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            batch.Target.ToArray());
        Assert.Equal(
            [
                5, 6, 7, 8, 9, 3, -1, -1, 8, 9, 3, -1, -1, -1, -1, -1,
                -1, -1, -1, -1, -1, -1, -1, -1,
            ],
            batch.Labels.ToArray());
        Assert.Equal((2, 4, 9), (batch.Sentences, batch.SourceTokens, batch.TargetTokens));
        Assert.Equal(9, batcher.TargetTokens(0));
    }

    [Fact]
    public void AnEarlierLargerBatchLeavesNothingBehind()
    {
        BucketBatcher batcher = new(Data, Options, 1);
        Batch used = new();
        for (int i = 0; i < batcher.BatchCount; i++)
        {
            Batch fresh = new();
            batcher.Fill(i, used);
            batcher.Fill(i, fresh);
            Assert.Equal(fresh.Source, used.Source);
            Assert.Equal(fresh.SourceLengths, used.SourceLengths);
            Assert.Equal(fresh.Target, used.Target);
            Assert.Equal(fresh.Labels, used.Labels);
            Assert.Equal(used.TargetTokens, used.Labels.Length - used.Labels.Count(-1));
        }
    }

    [Fact]
    public void LengthsNeverPassThePositionTable()
    {
        ParallelDataset data = new(
            [(new int[97], new int[96]), (new int[66], [])], SpecialTokens.Default, 97);
        BucketBatcher batcher = new(
            data, new() { TokensPerBatch = 97, LengthMultiple = 4, Shuffle = false });
        Assert.Equal(new BatchShape(1, 97, 97), batcher.Shape(0));
        Assert.Equal(new BatchShape(1, 72, 20), batcher.Shape(1));
    }

    [Fact]
    public void APairLongerThanTheBudgetIsABatchOfItsOwn()
    {
        ParallelDataset data = new(
            [(new int[20], new int[19]), (new int[20], new int[19])], SpecialTokens.Default, 32);
        BucketBatcher batcher = new(data, new() { TokensPerBatch = 8 });
        Assert.Equal(2, batcher.BatchCount);
        Assert.Equal(new BatchShape(1, 20, 20), batcher.Shape(0));
    }

    [Fact]
    public void PlanningAndFillingAllocateNothingOnceGrown()
    {
        BucketBatcher batcher = new(Data, Options, 1);
        Batch batch = new();
        Assert.Equal(0, ManagedAllocations.Least(FourEpochs, warmUp: 1));

        void FourEpochs()
        {
            for (int epoch = 0; epoch < 4; epoch++)
            {
                batcher.StartEpoch(epoch);
                for (int i = 0; i < batcher.BatchCount; i++) batcher.Fill(i, batch);
            }
        }
    }

    [Theory]
    [InlineData(0, 4, 8, "'tokensPerBatch' is 0")]
    [InlineData(3_000_000, 4, 8, "'tokensPerBatch' is 3000000")]
    [InlineData(100, 0, 8, "'lengthMultiple' is 0")]
    [InlineData(100, 4, -1, "'rowMultiple' is -1")]
    public void SizesOutOfRangeAreRefused(int tokens, int length, int rows, string message) =>
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => new BucketBatcher(
            Data, new() { TokensPerBatch = tokens, LengthMultiple = length, RowMultiple = rows }))
            .Message);
}
