using Transformer.Models.Tests.Interchange;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class TrainingOptionsTests
{
    private static readonly TrainingOptions Unusual = new()
    {
        Epochs = 0, MaxSteps = 12_345_678_901, MaxMinutes = 0.1, TokensPerBatch = 3,
        AccumulationSteps = 4, LearningRate = 1.0 / 3, Schedule = LearningRateSchedule.Cosine,
        WarmupSteps = 5, MinLearningRate = 1e-300, ScheduleSteps = 6, LabelSmoothing = 0.2,
        ClipNorm = 0, WeightDecay = 0.01, Beta1 = 0.8, Beta2 = 0.9, Epsilon = 1e-8,
        ValidateEvery = 7, BestBy = "say \"BLEU\"", Patience = 8, CheckpointEvery = 9,
        KeepCheckpoints = 10, Seed = ulong.MaxValue,
    };

    [Fact]
    public void JsonRoundTripsEveryField()
    {
        Assert.Equal(Unusual, TrainingOptions.FromJson(Unusual.ToJson()));
        Assert.Equal(new TrainingOptions(), TrainingOptions.FromJson("{}"));
        int fields = typeof(TrainingOptions).GetProperties()
            .Count(p => p.CanWrite && p.Name != "EqualityContract");
        Assert.Equal(fields, TrainingOptions.FieldNames.Count);
    }

    [Fact]
    public void FilesMayHoldCommentsAndLackFields()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("o.json"), """
            { // quick
              "epochs": 3, "schedule": "cosine", "learningRate": 5e-4, }
            """);
        Assert.Equal(
            new TrainingOptions
            {
                Epochs = 3, Schedule = LearningRateSchedule.Cosine, LearningRate = 5e-4,
            },
            TrainingOptions.Load(folder.File("o.json")));
    }

    [Theory]
    [InlineData("[1]", "the JSON is a Array; expected an object")]
    [InlineData("{\"epochs\": 3", "no valid JSON")]
    [InlineData("{\"epoch\": 3}", "there is no field 'epoch'. Use one of: epochs, maxSteps")]
    [InlineData("{\"epochs\": 3, \"epochs\": 4}", "no valid JSON")]
    [InlineData("{\"epochs\": \"three\"}", "'epochs' is \"three\"; expected a whole number.")]
    [InlineData("{\"epochs\": 1.5}", "'epochs' is 1.5; expected a whole number.")]
    [InlineData("{\"seed\": -1}", "'seed' is -1; expected a whole number from 0 to")]
    [InlineData("{\"schedule\": \"step\"}",
        "'schedule' is \"step\"; expected one of InverseSquareRoot, Cosine, Constant.")]
    [InlineData("{\"schedule\": \"1\"}", "'schedule' is \"1\"; expected one of")]
    [InlineData("{\"bestBy\": 3}", "'bestBy' is 3; expected text")]
    [InlineData("{\"epochs\": -1}", "'epochs' is -1; expected 0 or more.")]
    [InlineData("{\"labelSmoothing\": 1}", "'labelSmoothing' is 1; expected a number in [0, 1).")]
    [InlineData("{\"learningRate\": 0}", "'learningRate' is 0; expected a number above 0")]
    [InlineData("{\"learningRate\": 1e400}", "'learningRate' is")]
    [InlineData("{\"tokensPerBatch\": 0}", "'tokensPerBatch' is 0; expected 1 to 2097152.")]
    [InlineData("{\"epochs\": 0}", "are all 0; expected at least one limit.")]
    [InlineData("{\"epochs\": 0, \"maxMinutes\": 1, \"schedule\": \"cosine\"}",
        "the cosine schedule needs its last step.")]
    public void BadFilesAreAnsweredWithTheFieldAndTheFile(string json, string message)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("o.json"), json);
        InvalidDataException e = Assert.Throws<InvalidDataException>(
            () => TrainingOptions.Load(folder.File("o.json")));
        Assert.StartsWith($"'{folder.File("o.json")}': TrainingOptions: ", e.Message);
        Assert.Contains(message, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void FieldsAreSetFromTheCommandLinesText()
    {
        TrainingOptions options = new TrainingOptions()
            .With("epochs", "7").With("learningRate", "2.5e-3").With("bestBy", "12 \"monkeys\"")
            .With("schedule", "constant").With("seed", "18446744073709551615");
        Assert.Equal(
            new TrainingOptions
            {
                Epochs = 7, LearningRate = 2.5e-3, BestBy = "12 \"monkeys\"",
                Schedule = LearningRateSchedule.Constant, Seed = ulong.MaxValue,
            },
            options);
        Assert.Equal("TrainingOptions: 'epochs' is \"many\"; expected a whole number.",
            Assert.Throws<InvalidDataException>(() => options.With("epochs", "many")).Message);
        Assert.Throws<InvalidDataException>(() => options.With("epochs", ".5."));
    }

    [Fact]
    public void LimitsMayChangeWhenResumingAndTheRestNot()
    {
        TrainingOptions options = new();
        Assert.Null(options.FirstFixedDifference(
            options with { Epochs = 99, Patience = 4, CheckpointEvery = 8 }));
        Assert.Equal(("learningRate", "0.001", "0.002"),
            options.FirstFixedDifference(options with { LearningRate = 0.002, Seed = 8 }));
    }

    [Fact]
    public void CosineEndsAtTheNearestLimit()
    {
        TrainingOptions cosine = new()
        {
            Schedule = LearningRateSchedule.Cosine, Epochs = 2, WarmupSteps = 0, LearningRate = 1,
        };
        Assert.Equal(0.5, cosine.CreateSchedule(stepsPerEpoch: 10).Rate(10), 1e-15);
        Assert.Equal(0.5, (cosine with { MaxSteps = 8 }).CreateSchedule(10).Rate(4), 1e-15);
        Assert.Equal(0.5, (cosine with { ScheduleSteps = 40 }).CreateSchedule(10).Rate(20), 1e-15);
    }
}
