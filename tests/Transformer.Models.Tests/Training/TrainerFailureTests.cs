using Transformer.Backends;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class TrainerFailureTests
{
    private static readonly ParallelDataset Data = TrainingData.Copies(64, 5, 20);

    private static readonly TrainingOptions Options =
        new() { Epochs = 0, MaxSteps = 6, TokensPerBatch = 128 };

    [Fact]
    public void NotANumberInAWeightStopsWithStepAndParameter()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        using Seq2SeqTrainer trainer = new(model, Data, null, Options);
        RecordingObserver poison = new()
        {
            AfterStep = step =>
            {
                if (step != 2) return;
                float[] weights = model.Weights("output");
                weights[77] = float.NaN;
                model.Parameters["output"].CopyFrom(weights);
            },
        };
        NonFiniteTrainingException e =
            Assert.Throws<NonFiniteTrainingException>(() => trainer.Run(poison));
        Assert.Equal(3, e.Step);
        Assert.StartsWith("Training: the loss is NaN at step 3; first found in parameter " +
            "'output' at index 77. ", e.Message);
        Assert.Equal(2, trainer.State.Step);
    }

    [Fact]
    public void OverflowInANodeStopsWithStepAndNode()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        model.Parameters["output"].CopyFrom([.. Enumerable.Repeat(3e38f, 20 * 32)]);
        model.Parameters["norm.weight"].CopyFrom([.. Enumerable.Range(0, 32).Select(i => i * 9f)]);
        using Seq2SeqTrainer trainer = new(model, Data, null, Options);
        NonFiniteTrainingException e =
            Assert.Throws<NonFiniteTrainingException>(() => trainer.Run());
        Assert.Equal(1, e.Step);
        Assert.Contains("forward node 'output'", e.Location);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void OverflowInTheGradientStopsWithStepAndNode()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        // A small norm keeps the logits and the loss finite; its own gradient, a sum of differences
        // of weights near the largest float over the tokens, is not.
        model.Parameters["norm.weight"].CopyFrom([.. Enumerable.Repeat(1e-6f, 32)]);
        model.Parameters["output"].CopyFrom(
            [.. Enumerable.Range(0, 20 * 32).Select(i => i % 3 == 0 ? 3e38f : -3e38f)]);
        using Seq2SeqTrainer trainer = new(model, TrainingData.Copies(1, 5, 20), null, Options);
        RecordingObserver seen = new();
        NonFiniteTrainingException e =
            Assert.Throws<NonFiniteTrainingException>(() => trainer.Run(seen));
        Assert.Contains("the gradient's norm is", e.Message);
        Assert.Equal(1, e.Step);
        Assert.Empty(seen.Steps);
    }

    [Fact]
    public void StepsAllocateNothingOnceAllShapesHaveOccurred()
    {
        ParallelDataset data = TrainingData.Sentences(200, vocabulary: 20, longest: 12);
        using CopyModel model = new(BackendRegistry.Cpu, dropout: 0.1);
        using Seq2SeqTrainer trainer = new(model, data, null, new()
        {
            Epochs = 12, TokensPerBatch = 256, AccumulationSteps = 2, WeightDecay = 0.01,
        });
        EpochAllocations allocations = new(model);
        trainer.Run(allocations);
        long[] steady = [.. allocations.Epochs.Where(e => e.Steps > 2).Select(e => e.Bytes)];
        Assert.True(steady.Length > 3, $"{steady.Length} epochs with steps without a new shape");
        Assert.True(steady.Min() == 0, $"{string.Join(", ", steady)} bytes in the steps of epochs");
    }

    /// <summary>Adds up what steps without a new shape allocate on the training thread. The
    /// runtime may charge a thread for its own one-time work; a step that allocates does so in
    /// every epoch.</summary>
    private sealed class EpochAllocations(CopyModel model) : ITrainingObserver
    {
        private readonly SortedDictionary<int, (long Bytes, int Steps)> epochs = [];
        private long before;
        private int graphs;

        public IEnumerable<(long Bytes, int Steps)> Epochs => epochs.Values;

        public void Stepped(in TrainingProgress progress)
        {
            long now = GC.GetAllocatedBytesForCurrentThread();
            // The first epochs also grow buffers, of the batcher and of pools.
            if (progress.Epoch > 3 && model.GraphCount == graphs)
            {
                (long bytes, int steps) = epochs.GetValueOrDefault(progress.Epoch);
                epochs[progress.Epoch] = (bytes + now - before, steps + 1);
            }

            graphs = model.GraphCount;
            before = GC.GetAllocatedBytesForCurrentThread();
        }
    }
}
