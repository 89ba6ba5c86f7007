using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Training;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Training;

/// <summary>Pre-training and fine-tuning: progress, resuming, agreement of the backends.</summary>
public sealed class BertTrainerTests
{
    private static readonly SentenceDataset Text = BertData.Sentences(60, 10);
    private static readonly SentenceDataset Held = BertData.Sentences(8, 10, seed: 2);

    private static readonly TrainingOptions Options = new()
    {
        Epochs = 0, MaxSteps = 24, TokensPerBatch = 24 * 8, LabelSmoothing = 0,
        WeightDecay = 0.01, Schedule = LearningRateSchedule.Constant, WarmupSteps = 5,
        LearningRate = 5e-3, AccumulationSteps = 2, ValidateEvery = 8, CheckpointEvery = 7,
        Seed = 11,
    };

    private sealed class PowerCutException : Exception;

    [Fact]
    public void LearnsMaskedTokens()
    {
        (ValidationResult before, ValidationResult after) = Learn(cycle: 20, steps: 600);

        // Nothing learned: ln 27 = 3.3. Every letter follows from its neighbours.
        Assert.InRange(before.Loss, 3.0, 3.6);
        Assert.True(after.Loss < 1, $"{after.Loss}");
        Assert.True(after.Accuracy > 0.7, $"{after.Accuracy}");
    }

    [Fact]
    public void LearnsWhichTextsFollow()
    {
        (ValidationResult before, ValidationResult after) = Learn(cycle: 5, steps: 300);

        // Nothing learned: ln 2 = 0.69. A text from elsewhere has other letters in three of four
        // cases, so that seven of eight pairs can be told by them.
        Assert.InRange(before.Metrics[BertTrainer.NextLossName], 0.65, 0.75);
        Assert.True(after.Metrics[BertTrainer.NextLossName] < 0.5);
        double told = after.Metrics[BertTrainer.NextAccuracyName];
        Assert.True(told > 0.75, $"{told}");
    }

    [Theory]
    [InlineData(6)]
    [InlineData(20)]
    public void KilledAndResumed_EndsWithTheSameBits(long killed)
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using (Bert abandoned = BertData.Model())
        using (BertTrainer trainer = new(
            abandoned, Text, Held, BertData.Masking, Options, folder))
        {
            Assert.Throws<PowerCutException>(() => trainer.Run(new RecordingObserver
            {
                AfterStep = step =>
                {
                    if (step == killed) throw new PowerCutException();
                },
            }));
        }

        using Bert model = BertData.Model();
        using BertTrainer resumed = new(model, Text, Held, BertData.Masking, Options, folder);
        resumed.Resume();
        Assert.InRange(resumed.State.Step, killed > 7 ? 7 : 0, killed);
        resumed.Run();
        using Bert whole = BertData.Model();
        using BertTrainer unbroken = new(whole, Text, Held, BertData.Masking, Options);
        unbroken.Run();
        Assert.Equal(Bits(whole.Parameters), Bits(model.Parameters));
        Assert.Equal(unbroken.State with { Seconds = 0 }, resumed.State with { Seconds = 0 });
        Assert.True(resumed.State.Epoch > 0, "the draw of a later epoch counts");
    }

    [Fact]
    public void Steps_AllocateNothing()
    {
        using Bert model = BertData.Model();
        using BertTrainer trainer = new(
            model, Text, null, BertData.Masking, Options with { MaxSteps = 40 });
        StepAllocations allocations = new(first: 10, length: 8);
        trainer.Run(allocations);
        Assert.True(allocations.Runs > 1);
        Assert.Equal(0, allocations.Least);
    }

    [Fact]
    public void Backends_AgreeAtEveryNode()
    {
        using Bert model = BertData.Model(dropout: 0.1);
        BertBatcher batcher = new(Text, BertData.Masking, 3, 24, seed: 1);
        BertBatch batch = new(3, 24, batcher.Masked);
        batcher.Fill(0, batch);
        GraphDifference? difference = GraphDebugger.Compare(
            model.Build(3, 24, batcher.Masked, 0, training: true),
            new() { Backend = BackendRegistry.Cpu, Training = true }, BackendRegistry.Reference,
            graph =>
            {
                batch.Feed(graph);
                graph.Feed<int>("firstRows", [0, 24, 48]);
            },
            tolerance: 1e-5);
        Assert.True(difference is null, difference?.ToString());
    }

    /// <summary>Without fusion the kernels are others, the function is the same.</summary>
    [Fact]
    public void Fusion_ChangesNothing()
    {
        using Bert model = BertData.Model(dropout: 0);
        BertBatcher batcher = new(Text, BertData.Masking, 3, 24, seed: 1);
        BertBatch batch = new(3, 24, batcher.Masked);
        batcher.Fill(1, batch);
        float[][] gradients = new float[2][];
        float[] losses = new float[2];
        for (int i = 0; i < 2; i++)
        {
            using CompiledGraph graph = model.Build(3, 24, batcher.Masked, 0, training: true)
                .Compile(new() { Backend = model.Backend, Training = true, Fuse = i == 1 });
            batch.Feed(graph);
            graph.Feed<int>("firstRows", [0, 24, 48]);
            model.Parameters.ClearGradients();
            graph.Forward();
            losses[i] = Batch.FetchLoss(graph);
            graph.Backward();
            gradients[i] = model.Parameters.Gradients.AsSpan<float>().ToArray();
        }

        // About 20 kernels deep, 6e-8 each.
        Assert.Equal(losses[0], losses[1], 1e-5f);
        float largest = gradients[0].Max(Math.Abs);
        for (int i = 0; i < gradients[0].Length; i++)
            Assert.Equal(gradients[0][i], gradients[1][i], 1e-5f * largest);
    }

    [Fact]
    public void BadOptions_AreNamed()
    {
        using Bert model = BertData.Model();
        Assert.Equal("TrainingOptions: 'tokensPerBatch' is 20; expected at least the 24 tokens " +
            "of one text.", Assert.Throws<ArgumentException>(() => new BertTrainer(
                model, Text, null, BertData.Masking, Options with { TokensPerBatch = 20 }))
            .Message);
        Assert.Equal("Bert: 'length' is 25; the model has 24 positions. Use shorter texts, or a " +
            "model with more positions.",
            Assert.Throws<ArgumentException>(() => model.TrainingGraph(1, 25, 2)).Message);
    }

    [Fact]
    public void Classifier_LearnsItsTask_AndResumesBitForBit()
    {
        LabelledText[] examples = [.. Enumerable.Range(0, 120).Select(i =>
        {
            string text = string.Join(' ', Enumerable.Range(0, 3 + (i % 5))
                .Select(j => (char)('a' + (((i * 7) + (j * 3)) % 20))));
            return new LabelledText(
                text.Contains('c', StringComparison.Ordinal) ? "with" : "without", text,
                i % 3 == 0 ? "d e f" : null);
        })];
        string[] classes = ClassificationDataset.Classes(examples);
        Assert.Equal(["with", "without"], classes);
        ClassificationDataset data = ClassificationDataset.Encode(
            examples, classes, BertData.Tokenizer, positions: 24);
        TrainingOptions options = Options with
        {
            MaxSteps = 120, AccumulationSteps = 1, ValidateEvery = 60, CheckpointEvery = 50,
        };
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using BertClassifier model = new(
            BertData.Config with { Dropout = 0 }, classes, BackendRegistry.Cpu, seed: 4);
        EvaluationResult before = ClassifierTrainer.Evaluate(model, data);
        using (ClassifierTrainer trainer = new(model, data, data, options, folder)) trainer.Run();
        EvaluationResult after = ClassifierTrainer.Evaluate(model, data);
        Assert.InRange(before.Loss, 0.5, 0.9);
        Assert.Equal(120, after.Tokens);
        Assert.True(after.Accuracy > 0.95, $"{after.Accuracy}");

        using BertClassifier again = new(
            BertData.Config with { Dropout = 0 }, classes, BackendRegistry.Cpu, seed: 4);
        File.Delete(folder.FileOf(120));
        using ClassifierTrainer resumed = new(again, data, data, options, folder);
        resumed.Resume();
        Assert.Equal(100, resumed.State.Step);
        resumed.Run();
        Assert.Equal(Bits(model.Parameters), Bits(again.Parameters));
    }

    private static (ValidationResult Before, ValidationResult After) Learn(int cycle, int steps)
    {
        using Bert model = new(
            BertData.Config with { Dropout = 0, Width = 32, Layers = 2 }, BackendRegistry.Cpu, 2);
        using BertTrainer trainer = new(
            model, BertData.Sentences(60, 10, 1, cycle, steps: 1),
            BertData.Sentences(40, 10, 2, cycle, steps: 1), BertData.Masking, Options with
            {
                MaxSteps = steps, TokensPerBatch = 24 * 16, AccumulationSteps = 1,
                LearningRate = 4e-3, WarmupSteps = 50, ValidateEvery = 200,
            });
        ValidationResult before = trainer.Validate();
        trainer.Run();
        return (before, trainer.Validate());
    }

    private static int[] Bits(ParameterSet p) =>
        [.. Bits(p.Values), .. Bits(p.FirstMoments), .. Bits(p.SecondMoments)];

    private static ReadOnlySpan<int> Bits(BufferView view) =>
        MemoryMarshal.Cast<float, int>(view.AsSpan<float>());
}
