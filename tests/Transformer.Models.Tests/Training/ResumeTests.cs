using Transformer.Backends;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>A training that was broken off and resumed ends as one that was not, bit for bit.
/// </summary>
public sealed class ResumeTests
{
    private static readonly ParallelDataset Data =
        TrainingData.Sentences(90, vocabulary: 20, longest: 12);
    private static readonly ParallelDataset Held =
        TrainingData.Sentences(20, vocabulary: 20, longest: 12, seed: 9);

    // Everything that has a state is on: shuffling over several epochs, dropout, accumulation,
    // schedule, moments, decay, clipping, validation with patience.
    private static readonly TrainingOptions Options = new()
    {
        Epochs = 0, MaxSteps = 20, TokensPerBatch = 128, AccumulationSteps = 2, WeightDecay = 0.01,
        Schedule = LearningRateSchedule.Cosine, WarmupSteps = 5, LearningRate = 0.02,
        ValidateEvery = 3, Patience = 50, CheckpointEvery = 7, KeepCheckpoints = 2, Seed = 11,
    };

    private sealed class PowerCutException : Exception;

    private static CopyModel Model(string backend) =>
        new(BackendRegistry.Find(backend), dropout: 0.1);

    private static (int[] Bits, TrainingState State) Unbroken(
        string backend, TrainingOptions options)
    {
        using CopyModel model = Model(backend);
        using Seq2SeqTrainer trainer = new(model, Data, Held, options);
        trainer.Run();
        return (model.Bits(), trainer.State with { Seconds = 0 });
    }

    /// <summary>Trains until a step, and then leaves everything as it lies.</summary>
    private static void Abandon(string backend, CheckpointFolder folder, long step)
    {
        using CopyModel model = Model(backend);
        using Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder);
        Assert.Throws<PowerCutException>(() => trainer.Run(new RecordingObserver
        {
            AfterStep = s =>
            {
                if (s == step) throw new PowerCutException();
            },
        }));
    }

    [Theory]
    [InlineData("reference", 9)]
    [InlineData("simd", 7)]
    [InlineData("simd", 8)]
    [InlineData("simd", 16)]
    public void KilledAndResumedEndsWithTheSameBits(string backend, long killed)
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        Abandon(backend, folder, killed);
        long newest = folder.Steps[^1];
        Assert.InRange(newest, 1, killed);

        using CopyModel model = Model(backend);
        using Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder);
        Assert.Equal(folder.FileOf(newest), trainer.Resume());
        Assert.Equal(newest, trainer.State.Step);
        Assert.Equal(TrainingEnd.Steps, trainer.Run());

        (int[] bits, TrainingState state) = Unbroken(backend, Options);
        Assert.Equal(bits, model.Bits());
        Assert.Equal(state, trainer.State with { Seconds = 0 });
        Assert.True(state.Epoch > 1, $"only epoch {state.Epoch}: the order of a later one counts");
    }

    [Fact]
    public void CancelledTrainingSavesAndResumesWithTheSameBits()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using (CopyModel model = Model("simd"))
        using (Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder))
        using (CancellationTokenSource cancel = new())
        {
            RecordingObserver seen = new()
            {
                AfterStep = step =>
                {
                    if (step == 5) cancel.Cancel();
                },
            };
            Assert.Equal(TrainingEnd.Cancelled, trainer.Run(seen, cancel.Token));
            Assert.Equal(5, trainer.State.Step);
            Assert.Equal("checkpoint-00000005.safetensors", seen.Files[^1]);
        }

        using CopyModel again = Model("simd");
        using Seq2SeqTrainer resumed = new(again, Data, Held, Options, folder);
        Assert.Equal(folder.FileOf(5), resumed.Resume());
        resumed.Run();
        (int[] bits, TrainingState state) = Unbroken("simd", Options);
        Assert.Equal(bits, again.Bits());
        Assert.Equal(state, resumed.State with { Seconds = 0 });
    }

    [Fact]
    public void AValidationThatWasCancelledRunsWhenTrainingIsResumed()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using (CopyModel model = Model("simd"))
        using (Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder))
        using (CancellationTokenSource cancel = new())
        {
            model.Evaluating = () =>
            {
                if (trainer.State.Step == 6) cancel.Cancel();
            };
            Assert.Equal(TrainingEnd.Cancelled, trainer.Run(cancellation: cancel.Token));
            Assert.Equal((6, 3), (trainer.State.Step, trainer.State.ValidatedStep));
        }

        using CopyModel again = Model("simd");
        using Seq2SeqTrainer resumed = new(again, Data, Held, Options, folder);
        resumed.Resume();
        RecordingObserver seen = new();
        resumed.Run(seen);
        Assert.Equal(6, seen.Validations[0].Result.Step);
        (int[] bits, TrainingState state) = Unbroken("simd", Options);
        Assert.Equal(bits, again.Bits());
        Assert.Equal(state, resumed.State with { Seconds = 0 });
    }

    [Fact]
    public void ALongerLimitGoesOnAsIfItHadBeenSetAtFirst()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        TrainingOptions shorter = Options with { ScheduleSteps = 20, MaxSteps = 10, Patience = 0 };
        TrainingOptions longer = Options with { ScheduleSteps = 20 };
        using (CopyModel model = Model("simd"))
        using (Seq2SeqTrainer trainer = new(model, Data, null, shorter, folder))
            trainer.Run();
        using CopyModel again = Model("simd");
        using Seq2SeqTrainer resumed = new(again, Data, Held, longer, folder);
        resumed.Resume();
        resumed.Run();
        Assert.Equal(Unbroken("simd", Options).Bits, again.Bits());
    }

    [Fact]
    public void TheNewestWholeCheckpointIsTakenAndDamagedOnesAreReported()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        Abandon("simd", folder, 16);
        long[] steps = [.. folder.Steps];
        Assert.True(steps.Length >= 2);
        using (FileStream file = File.OpenWrite(folder.FileOf(steps[^1])))
            file.SetLength(file.Length - 1000);
        File.WriteAllText(folder.FileOf(99), "not a checkpoint");

        using CopyModel model = Model("simd");
        using Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder);
        RecordingObserver seen = new();
        Assert.Equal(folder.FileOf(steps[^2]), trainer.Resume(seen));
        Assert.Equal([folder.FileOf(99), folder.FileOf(steps[^1])],
            seen.Damaged.Select(d => d.Path));
        Assert.All(seen.Damaged, d => Assert.Contains(d.Path, d.Reason));
        trainer.Run();
        Assert.Equal(Unbroken("simd", Options).Bits, model.Bits());
    }

    [Fact]
    public void OnlyDamagedCheckpointsAreAnErrorAndNoneMeansANewStart()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        using CopyModel model = Model("simd");
        using Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder);
        Assert.Null(trainer.Resume());
        Directory.CreateDirectory(folder.Path);
        File.WriteAllText(folder.FileOf(3), "");
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => trainer.Resume());
        Assert.StartsWith($"Resume: every checkpoint in '{folder.Path}' is damaged; the newest: ",
            e.Message);
    }

    [Fact]
    public void OtherDataOrOptionsAreRefusedWithBothValues()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        Abandon("simd", folder, 8);
        using CopyModel model = Model("simd");
        using Seq2SeqTrainer other = new(model, Held, Held, Options, folder);
        Assert.Contains(
            $"fingerprint {Data.Fingerprint}; these have {Held.Fingerprint}.",
            Assert.Throws<InvalidDataException>(() => other.Resume()).Message);
        using Seq2SeqTrainer faster =
            new(model, Data, Held, Options with { LearningRate = 0.5 }, folder);
        Assert.Contains("training option 'learningRate' is 0.02 in the checkpoint and 0.5 now.",
            Assert.Throws<InvalidDataException>(() => faster.Resume()).Message);
        using CopyModel wide = new(BackendRegistry.Cpu, dropout: 0.1, width: 48);
        using Seq2SeqTrainer wider = new(wide, Data, Held, Options, folder);
        Assert.Contains("configuration field 'width' is 32 in the checkpoint and 48 in the model.",
            Assert.Throws<InvalidDataException>(() => wider.Resume()).Message);
    }

    [Fact]
    public void AFolderWithCheckpointsIsNotTrainedIntoUnlessResumed()
    {
        using TemporaryFolder temporary = new();
        CheckpointFolder folder = new(temporary.File("run"));
        Abandon("simd", folder, 8);
        using CopyModel model = Model("simd");
        using Seq2SeqTrainer trainer = new(model, Data, Held, Options, folder);
        Assert.Contains($"holds checkpoints up to step {folder.Steps[^1]} of an earlier training",
            Assert.Throws<InvalidDataException>(() => trainer.Run()).Message);
    }
}
