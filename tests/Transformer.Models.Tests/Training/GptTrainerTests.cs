using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Tests.Models;
using Transformer.Models.Training;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Training;

/// <summary>Training of a decoder-only model: data, progress, resuming.</summary>
public sealed class GptTrainerTests
{
    private static readonly TokenDataset Text = new(Periodic(700));
    private static readonly TokenDataset Held = new(Periodic(100));

    private static readonly TrainingOptions Options = new()
    {
        Epochs = 0, MaxSteps = 30, TokensPerBatch = 48, LabelSmoothing = 0, WeightDecay = 0.01,
        Schedule = LearningRateSchedule.Cosine, WarmupSteps = 5, LearningRate = 0.02,
        AccumulationSteps = 2, ValidateEvery = 10, CheckpointEvery = 7, Seed = 11,
    };

    private sealed class PowerCutException : Exception;

    /// <summary>The next token follows from the two before it.</summary>
    private static int[] Periodic(int length)
    {
        int[] ids = new int[length];
        for (int i = 2; i < length; i++) ids[i] = ((2 * ids[i - 1]) + ids[i - 2] + 1) % 23;
        return ids;
    }

    private static Gpt Model() =>
        new(TestGpt.Config with { Dropout = 0.1 }, BackendRegistry.Cpu, seed: 2);

    [Fact]
    public void LearnsWhatFollows()
    {
        using Gpt model = new(TestGpt.Config, BackendRegistry.Cpu, seed: 2);
        using GptTrainer trainer = new(
            model, Text, Held, Options with { MaxSteps = 150, ValidateEvery = 50 });
        double before = trainer.Validate().Loss;
        trainer.Run();
        ValidationResult after = trainer.Validate();

        // Nothing learned: ln 23 = 3.1. The rule allows no error but at the first two tokens of
        // each window of 12.
        Assert.InRange(before, 2.9, 3.3);
        Assert.InRange(after.Loss, 0, 0.8);
        Assert.InRange(after.Accuracy, 0.8, 1);
        Assert.Equal(99, after.Tokens);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(20)]
    public void KilledAndResumed_EndsWithTheSameBits(long killed)
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using (Gpt abandoned = Model())
        using (GptTrainer trainer = new(abandoned, Text, Held, Options, folder))
        {
            Assert.Throws<PowerCutException>(() => trainer.Run(new RecordingObserver
            {
                AfterStep = step =>
                {
                    if (step == killed) throw new PowerCutException();
                },
            }));
        }

        using Gpt model = Model();
        using GptTrainer resumed = new(model, Text, Held, Options, folder);
        Assert.NotNull(resumed.Resume());
        Assert.InRange(resumed.State.Step, 1, killed);
        resumed.Run();

        using Gpt whole = Model();
        using GptTrainer unbroken = new(whole, Text, Held, Options);
        unbroken.Run();
        Assert.Equal(Bits(whole), Bits(model));
        Assert.Equal(unbroken.State with { Seconds = 0 }, resumed.State with { Seconds = 0 });
        Assert.True(resumed.State.Epoch > 1, "the order of a later epoch counts");
    }

    [Fact]
    public void OtherTexts_AreRefusedWhenResuming()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using Gpt model = Model();
        using (GptTrainer trainer = new(model, Text, null, Options with { MaxSteps = 1 }, folder))
            trainer.Run();
        using GptTrainer other = new(model, Held, null, Options, folder);
        Assert.Contains("trained on data with fingerprint",
            Assert.Throws<InvalidDataException>(() => other.Resume()).Message);
    }

    [Fact]
    public void Steps_AllocateNothing()
    {
        using Gpt model = Model();
        using GptTrainer trainer = new(model, Text, null, Options with { MaxSteps = 60 });
        StepAllocations allocations = new(first: 20, length: 10);
        trainer.Run(allocations);
        Assert.True(allocations.Runs > 1);
        Assert.Equal(0, allocations.Least);
    }

    [Fact]
    public void Windows_AreWholeAndFromAllPlaces_TheSameForTheSameSeedAndEpoch()
    {
        TokenDataset text = new([.. Enumerable.Range(0, 103)]);
        WindowBatcher batcher = new(text, rows: 3, length: 8, seed: 5);
        Assert.Equal(4, batcher.BatchCount);
        int[] ids = new int[24], labels = new int[24];
        List<int> starts = [];
        for (int epoch = 0; epoch < 40; epoch++)
        {
            batcher.StartEpoch(epoch);
            for (int batch = 0; batch < batcher.BatchCount; batch++)
            {
                batcher.Fill(batch, ids, labels);
                for (int i = 0; i < 24; i++)
                {
                    Assert.Equal(ids[i] + 1, labels[i]);
                    Assert.Equal(ids[i - (i % 8)] + (i % 8), ids[i]);
                }

                starts.AddRange([ids[0], ids[8], ids[16]]);
            }
        }

        // 480 draws of 94 places miss one with probability 0.6 %.
        Assert.InRange(starts.Distinct().Count(), 90, 94);
        Assert.InRange(starts.Max(), 90, 94);
        batcher.StartEpoch(2);
        batcher.Fill(1, ids, labels);
        WindowBatcher other = new(text, 3, 8, seed: 5);
        int[] again = new int[24];
        other.StartEpoch(2);
        other.Fill(1, again, labels);
        Assert.Equal(ids, again);
        Assert.Equal(starts.GetRange((2 * 12) + 3, 3), [ids[0], ids[8], ids[16]]);
    }

    [Fact]
    public void BadData_IsRefused()
    {
        using Gpt model = Model();
        Message("TokenDataset: the text has 1 tokens; expected 2 or more. Give more text.",
            () => new TokenDataset([1]));
        Message("WindowBatcher: the text has 100 tokens, too few for a batch of 9 windows of 12 " +
            "tokens. Give more text, or train with a smaller batch or fewer positions.",
            () => new GptTrainer(model, Held, null, Options with { TokensPerBatch = 108 }));
        Message("TrainingOptions: 'tokensPerBatch' is 11; expected at least the 12 tokens of one " +
            "window.",
            () => new GptTrainer(model, Held, null, Options with { TokensPerBatch = 11 }));

        static void Message(string expected, Func<object> make) =>
            Assert.Equal(expected, Assert.Throws<ArgumentException>(make).Message);
    }

    [Fact]
    public void Evaluation_CountsEveryTokenOnce()
    {
        using Gpt model = TestGpt.Make();
        TokenDataset text = new(TestGpt.Tokens(41));
        EvaluationResult one = new GptEvaluator(model, text, rows: 1).Run();
        EvaluationResult many = new GptEvaluator(model, text, rows: 3).Run();
        Assert.Equal(40, one.Tokens);
        Assert.Equal(40, many.Tokens);

        // The same rows in other products: fp32 rounding over about 20 kernels.
        Assert.Equal(one.Loss, many.Loss, 1e-5);
        Assert.Equal(one.Accuracy, many.Accuracy);
    }

    private static int[] Bits(Gpt model)
    {
        ParameterSet p = model.Parameters;
        return
        [
            .. Bits(p.Values), .. Bits(p.FirstMoments), .. Bits(p.SecondMoments),
        ];
    }

    private static ReadOnlySpan<int> Bits(BufferView view) =>
        MemoryMarshal.Cast<float, int>(view.AsSpan<float>());
}
