using Transformer.Backends;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class Seq2SeqTrainerTests
{
    private static readonly ParallelDataset Copies = TrainingData.Copies(256, 7, 20);
    private static readonly ParallelDataset Held = TrainingData.Copies(40, 7, 20, seed: 99);

    private static readonly TrainingOptions Plain = new()
    {
        Epochs = 0, MaxSteps = 4, TokensPerBatch = 256, Schedule = LearningRateSchedule.Constant,
        WarmupSteps = 0, LearningRate = 0.01, LabelSmoothing = 0, ClipNorm = 0,
    };

    public static TheoryData<string> Backends => ["reference", "simd"];

    [Fact]
    public void LearnsToCopyWordsItNeverSawTogether()
    {
        using CopyModel model = new(BackendRegistry.Cpu, dropout: 0.05);
        using Seq2SeqTrainer trainer = new(model, Copies, Held, Plain with
        {
            MaxSteps = 300, ClipNorm = 1, LabelSmoothing = 0.1, WarmupSteps = 20,
            ValidateEvery = 100,
        });
        RecordingObserver seen = new();
        Assert.Equal(TrainingEnd.Steps, trainer.Run(seen));
        Assert.Equal(300, trainer.State.Step);
        Assert.Equal([100L, 200, 300], seen.Validations.Select(v => v.Result.Step));
        ValidationResult last = seen.Validations[^1].Result;
        Assert.Equal(320, last.Tokens);
        Assert.True(last.Accuracy > 0.98, $"accuracy {last.Accuracy}, loss {last.Loss}");
        Assert.True(seen.Validations[0].Result.Loss > last.Loss);
        Assert.InRange(seen.Steps[^1].SmoothedLoss, 0.3, 1.2);
        // 256 equal pairs are 8 full batches of 32 with 8 labels each.
        Assert.Equal(300 * 256, trainer.State.TokensSeen);
        Assert.Equal((37, 4), (trainer.State.Epoch, trainer.State.Batch));
    }

    [Fact]
    public void ValidationOfAnIndifferentModelGivesTheVocabularyAsPerplexity()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        model.Parameters["output"].CopyFrom(new float[20 * 32]);
        using Seq2SeqTrainer trainer = new(model, Copies, Held, Plain);
        ValidationResult result = trainer.Validate();
        // 320 equal losses added in binary32: relative error below 320 half units in the last.
        Assert.Equal(20, result.Perplexity, 20 * 2e-5);
        Assert.Equal(0, result.Accuracy);

        float[] bias = new float[20];
        bias[3] = 100;
        model.Parameters["bias"].CopyFrom(bias);
        Assert.Equal(40.0 / 320, trainer.Validate().Accuracy, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void AccumulatedMicroBatchesEqualOneLargeBatch(string backend)
    {
        ParallelDataset data = TrainingData.Sentences(24, vocabulary: 20, longest: 12);
        // Adam divides by the gradient's own size: a large ε keeps it from magnifying the rounding
        // differences of gradients that cancel to almost nothing.
        TrainingOptions options = Plain with { MaxSteps = 3, Epsilon = 0.01, ClipNorm = 0.5 };
        using CopyModel large = new(BackendRegistry.Find(backend));
        using CopyModel small = new(BackendRegistry.Find(backend));
        using Seq2SeqTrainer one = new(large, data, null,
            options with { TokensPerBatch = 24 * 16 });
        using Seq2SeqTrainer many = new(small, data, null,
            options with { TokensPerBatch = 32, AccumulationSteps = 100 });
        RecordingObserver a = new(), b = new();
        one.Run(a);
        many.Run(b);
        Assert.Equal((1, 3), (a.Steps[0].BatchesInEpoch, one.State.Epoch));
        Assert.True(b.Steps[0].BatchesInEpoch > 3);
        Assert.Equal(3, many.State.Epoch);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(a.Steps[i].Loss, b.Steps[i].Loss, 1e-5);
            Assert.Equal(a.Steps[i].GradientNorm, b.Steps[i].GradientNorm, 1e-5);
        }

        float[] first = large.Parameters.Values.AsSpan<float>().ToArray();
        float[] second = small.Parameters.Values.AsSpan<float>().ToArray();
        for (int i = 0; i < first.Length; i++) Assert.Equal(first[i], second[i], 2e-6);
    }

    [Fact]
    public void ClippingLimitsTheNormThatReachesTheWeights()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        float[] before = model.Parameters.Values.AsSpan<float>().ToArray();
        using Seq2SeqTrainer trainer = new(model, Copies, null,
            Plain with { MaxSteps = 1, ClipNorm = 1e-3, Epsilon = 1 });
        RecordingObserver seen = new();
        trainer.Run(seen);
        Assert.True(seen.Steps[0].GradientNorm > 0.1);
        // With ε = 1 far above the gradient g, a first step is rate · g / (|g| + 1) ≈ rate · g.
        float[] after = model.Parameters.Values.AsSpan<float>().ToArray();
        double change = Math.Sqrt(before.Zip(after, (x, y) => Math.Pow((double)y - x, 2)).Sum());
        Assert.Equal(0.01 * 1e-3, change, 0.01 * 1e-3 * 0.02);
    }

    [Fact]
    public void DecayTouchesTheDecayedWeightsAlone()
    {
        using CopyModel with = new(BackendRegistry.Cpu), without = new(BackendRegistry.Cpu);
        float[] initial = without.Weights("output");
        using Seq2SeqTrainer a = new(with, Copies, null,
            Plain with { MaxSteps = 1, WeightDecay = 0.5 });
        using Seq2SeqTrainer b = new(without, Copies, null, Plain with { MaxSteps = 1 });
        a.Run();
        b.Run();
        foreach (string name in new[] { "bias", "norm.weight", "norm.bias", "fixed" })
            Assert.Equal(without.Weights(name), with.Weights(name));
        float[] decayed = with.Weights("output"), kept = without.Weights("output");
        for (int i = 0; i < kept.Length; i++)
            Assert.Equal(kept[i] - (0.01 * 0.5 * initial[i]), decayed[i], 1e-6);
    }

    [Fact]
    public void EndsAtEachLimit()
    {
        TrainingEnd Run(TrainingOptions options, out TrainingState state)
        {
            using CopyModel model = new(BackendRegistry.Cpu);
            using Seq2SeqTrainer trainer = new(model, Copies, null, options);
            TrainingEnd end = trainer.Run();
            state = trainer.State;
            return end;
        }

        Assert.Equal(TrainingEnd.Epochs, Run(Plain with { Epochs = 2, MaxSteps = 0 }, out var s));
        Assert.Equal((16, 2, 0), (s.Step, s.Epoch, s.Batch));
        Assert.Equal(TrainingEnd.Steps, Run(Plain with { Epochs = 2, MaxSteps = 11 }, out s));
        Assert.Equal((11, 1, 3), (s.Step, s.Epoch, s.Batch));
        Assert.Equal(TrainingEnd.Minutes, Run(
            Plain with { MaxSteps = 0, MaxMinutes = 2e-3 }, out s));
        Assert.InRange(s.Seconds, 0.12, 30);
        Assert.Equal(TrainingEnd.Epochs, Run(
            Plain with { Epochs = 1, MaxSteps = 0, AccumulationSteps = 3 }, out s));
        Assert.Equal((3, 1, 0), (s.Step, s.Epoch, s.Batch));
    }

    [Fact]
    public void PatienceStopsAndTheBestWeightsComeBack()
    {
        double[] scores = [1, 3, 2, 3, 9];
        using CopyModel model = new(BackendRegistry.Cpu);
        List<float[]> weights = [];
        using Seq2SeqTrainer trainer = new(model, Copies, Held, Plain with
        {
            MaxSteps = 100, ValidateEvery = 2, Patience = 2, BestBy = "bleu",
        });
        trainer.Metrics = () =>
        {
            weights.Add(model.Weights("output"));
            return new Dictionary<string, double> { ["bleu"] = scores[weights.Count - 1] };
        };
        RecordingObserver seen = new();
        Assert.Equal(TrainingEnd.Patience, trainer.Run(seen));
        Assert.Equal([true, true, false, false], seen.Validations.Select(v => v.Best));
        Assert.Equal((8, 4, 3.0, 2), (trainer.State.Step, trainer.State.BestStep,
            trainer.State.BestScore, trainer.State.ValidationsSinceBest));
        Assert.Equal(4, trainer.RestoreBest());
        Assert.Equal(weights[1], model.Weights("output"));
        Assert.NotEqual(weights[3], weights[1]);
    }

    [Fact]
    public void AnUnknownFigureIsNamed()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        using Seq2SeqTrainer trainer = new(model, Copies, Held, Plain with { BestBy = "chrf" });
        trainer.Metrics = () => new Dictionary<string, double> { ["bleu"] = 1 };
        Assert.Equal(
            "TrainingOptions: 'bestBy' is 'chrf'; the validation gives loss, accuracy, bleu.",
            Assert.Throws<ArgumentException>(() => trainer.Run()).Message);
    }

    [Fact]
    public void PatienceNeedsValidationPairs()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        Assert.Contains("'patience' is 3 but there are no validation data",
            Assert.Throws<ArgumentException>(() => new Seq2SeqTrainer(
                model, Copies, null, Plain with { Patience = 3 })).Message);
        using Seq2SeqTrainer trainer = new(model, Copies, null, Plain);
        Assert.Throws<InvalidOperationException>(() => trainer.Validate());
        Assert.Throws<InvalidOperationException>(() => trainer.RestoreBest());
    }

    [Fact]
    public void ProgressTellsWhereTheTrainingStands()
    {
        using CopyModel model = new(BackendRegistry.Cpu);
        using Seq2SeqTrainer trainer = new(model, Copies, null,
            Plain with { Epochs = 2, MaxSteps = 0, WarmupSteps = 4 });
        RecordingObserver seen = new();
        trainer.Run(seen);
        TrainingProgress third = seen.Steps[2];
        Assert.Equal((3, 0, 3, 8), (third.Step, third.Epoch, third.Batch, third.BatchesInEpoch));
        Assert.Equal(0.0075, third.LearningRate, 1e-15);
        Assert.Equal(3.0 / 16, third.Done, 1e-15);
        Assert.True(third.TokensPerSecond > 0 && third.TimeLeft > TimeSpan.Zero);
        Assert.Equal(1, seen.Steps[^1].Done);
        Assert.Equal(TimeSpan.Zero, seen.Steps[^1].TimeLeft);
    }
}
