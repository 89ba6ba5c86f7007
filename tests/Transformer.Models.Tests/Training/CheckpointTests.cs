using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

public sealed class CheckpointTests : IDisposable
{
    private const string Config = """{"width": 4, "parts": {"heads": 2, "bias": true}}""";

    private readonly TemporaryFolder temporary = new();

    private static readonly TrainingState State = new()
    {
        Step = 500, Epoch = 2, Batch = 17, TokensSeen = 12_345_678_901, Seconds = 0.1,
        ValidatedStep = 400, BestStep = 300, BestScore = -1.0 / 3, ValidationsSinceBest = 1,
    };

    public void Dispose() => temporary.Dispose();

    private static ParameterSet Parameters(ulong seed = 1, string name = "a", int width = 4)
    {
        ParameterSet set = new(BackendRegistry.Cpu);
        set.Declare(name, new(3, width), Initializer.Normal(1));
        set.Declare("b", new(5), Initializer.Normal(1), decay: false);
        set.Declare("fixed", new(2), Initializer.Normal(1), trainable: false);
        set.Allocate(seed);
        set.FirstMoments.AsSpan<float>().Fill(seed + 0.25f);
        set.SecondMoments.AsSpan<float>().Fill(seed + 0.5f);
        return set;
    }

    private string Save(ParameterSet set, string name = "c.safetensors", string config = Config)
    {
        Checkpoint.Save(
            temporary.File(name), set, State, new TrainingOptions { Seed = 77 }, config, "abc");
        return temporary.File(name);
    }

    [Fact]
    public void RoundTripsWeightsMomentsAndState()
    {
        using ParameterSet saved = Parameters(1), loaded = Parameters(2);
        string file = Save(saved);
        using Checkpoint checkpoint = Checkpoint.Open(file);
        Assert.Equal(State, checkpoint.State);
        Assert.Equal(new TrainingOptions { Seed = 77 }, checkpoint.Options);
        Assert.Equal(("abc", Config), (checkpoint.DataFingerprint, checkpoint.ConfigJson));
        checkpoint.Restore(loaded);
        foreach (Parameter p in saved.All)
            Assert.Equal(p.Value.AsSpan<float>(), loaded[p.Name].Value.AsSpan<float>());
        float[] moments = loaded.FirstMoments.AsSpan<float>().ToArray();
        Assert.Equal(12 + 5, moments.Count(m => m == 1.25f));
        Assert.Equal(12 + 5, loaded.SecondMoments.AsSpan<float>().ToArray().Count(m => m == 1.5f));
        Assert.Equal(["c.safetensors"], temporary.Names());
    }

    [Fact]
    public void RestoreWeightsLeavesTheMoments()
    {
        using ParameterSet saved = Parameters(1), loaded = Parameters(2);
        using Checkpoint checkpoint = Checkpoint.Open(Save(saved));
        checkpoint.RestoreWeights(loaded);
        Assert.Equal(saved["b"].Value.AsSpan<float>(), loaded["b"].Value.AsSpan<float>());
        Assert.Equal(2.25f, loaded.FirstMoments.AsSpan<float>()[0]);
    }

    [Fact]
    public void EveryTruncationIsRefusedInOneLine()
    {
        using ParameterSet set = Parameters();
        string file = Save(set);
        byte[] whole = File.ReadAllBytes(file);
        for (int length = 0; length < whole.Length; length += length < 16 ? 1 : 61)
            RefusesDamage(file, whole.AsSpan(0, length));
        RefusesDamage(file, whole.AsSpan(0, whole.Length - 1));
    }

    [Fact]
    public void EveryFlippedBitIsRefusedInOneLine()
    {
        using ParameterSet set = Parameters();
        string file = Save(set);
        byte[] whole = File.ReadAllBytes(file);
        Random random = new(5);
        for (int i = 0; i < whole.Length; i += 3)
        {
            byte[] damaged = [.. whole];
            damaged[i] ^= (byte)(1 << random.Next(8));
            RefusesDamage(file, damaged);
        }
    }

    private static void RefusesDamage(string file, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(file, content);
        InvalidDataException e =
            Assert.Throws<InvalidDataException>(() => Checkpoint.Open(file).Dispose());
        Assert.Contains(file, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void OtherFilesAreRefused()
    {
        Assert.Throws<FileNotFoundException>(() => Checkpoint.Open(temporary.File("none")));
        new SafeTensorsWriter().Add<float>("a", new float[2], 2).Write(temporary.File("t"));
        Assert.Contains("the metadata lack 'format'. It is no checkpoint of a training",
            Assert.Throws<InvalidDataException>(
                () => Checkpoint.Open(temporary.File("t"))).Message);
        new SafeTensorsWriter().SetMetadata("format", "pt").Write(temporary.File("t"));
        Assert.Contains("the format is 'pt'; expected 'transformer-training-1'",
            Assert.Throws<InvalidDataException>(
                () => Checkpoint.Open(temporary.File("t"))).Message);
    }

    [Theory]
    [InlineData("""{"width": 8, "parts": {"heads": 4, "bias": true}}""", "'width' is 4 in the " +
        "checkpoint and 8 in the model")]
    [InlineData("""{"width": 4, "parts": {"heads": 2, "bias": false}}""", "'parts.bias' is true " +
        "in the checkpoint and false in the model")]
    [InlineData("""{"parts": {"heads": 2, "bias": true}}""", "'width' is 4 in the checkpoint " +
        "and absent in the model")]
    [InlineData("""{"width": 4, "parts": {"heads": 2, "bias": true}, "x": "y"}""", "'x' is " +
        "absent in the checkpoint and \"y\" in the model")]
    public void AnotherConfigurationIsRefusedWithTheFirstFieldThatDiffers(
        string config, string message)
    {
        using ParameterSet set = Parameters();
        using Checkpoint checkpoint = Checkpoint.Open(Save(set));
        Assert.Contains("configuration field " + message, Assert.Throws<InvalidDataException>(
            () => checkpoint.RequireConfig(config)).Message);
    }

    [Fact]
    public void TheSameConfigurationSpelledOtherwiseIsAccepted()
    {
        using ParameterSet set = Parameters();
        using Checkpoint checkpoint = Checkpoint.Open(Save(set));
        checkpoint.RequireConfig("""{ "parts":{"bias":true,"heads":2},"width":4.0 }""");
    }

    [Fact]
    public void OtherTensorsAreRefusedAndNothingIsCopied()
    {
        using ParameterSet set = Parameters(), wide = Parameters(2, width: 6),
            other = Parameters(2, name: "z"), more = new(BackendRegistry.Cpu);
        more.Declare("b", new(5), Initializer.Zeros, decay: false);
        more.Allocate(1);
        using Checkpoint checkpoint = Checkpoint.Open(Save(set));
        string Refusal(ParameterSet target)
        {
            float[] before = target.Values.AsSpan<float>().ToArray();
            string message = Assert.Throws<InvalidDataException>(
                () => checkpoint.Restore(target)).Message;
            Assert.Equal(before, target.Values.AsSpan<float>().ToArray());
            return message;
        }

        Assert.Contains("tensor 'a' is F32 [3, 4]; the model's is F32 [3, 6]", Refusal(wide));
        Assert.Contains("tensor 'z' [3, 4] of the model is missing", Refusal(other));
        Assert.Contains("the model has no tensor 'a'", Refusal(more));
    }

    [Fact]
    public void TheAverageIsTheMeanOfTheWeights()
    {
        CheckpointFolder folder = new(temporary.Path);
        using ParameterSet one = Parameters(1), two = Parameters(2), three = Parameters(3),
            target = Parameters(4);
        Save(one, "checkpoint-00000001.safetensors");
        Save(two, "checkpoint-00000002.safetensors");
        Save(three, "checkpoint-00000003.safetensors");
        Assert.Equal([folder.FileOf(3), folder.FileOf(2)],
            CheckpointAverage.LoadNewest(folder, 2, target));
        float[] Of(ParameterSet set) => set["a"].Value.AsSpan<float>().ToArray();
        float[] second = Of(two), third = Of(three), mean = Of(target);
        for (int i = 0; i < mean.Length; i++)
            Assert.Equal((float)(((double)second[i] + third[i]) / 2), mean[i]);
        Assert.Equal(3, CheckpointAverage.LoadNewest(folder, 5, target).Count);
        using ParameterSet other = Parameters(1, name: "z");
        Assert.Throws<InvalidDataException>(() => CheckpointAverage.LoadNewest(folder, 2, other));
        Assert.Throws<InvalidDataException>(() => CheckpointAverage.LoadNewest(
            new(temporary.File("none")), 2, target));
    }

    [Fact]
    public void RotationKeepsTheNewestAndTheBest()
    {
        CheckpointFolder folder = new(temporary.Path);
        foreach (long step in new long[] { 1, 2, 3, 40, 123_456_789, 500 })
            File.WriteAllText(folder.FileOf(step), "");
        File.WriteAllText(folder.FileOf(500) + ".tmp", "");
        File.WriteAllText(temporary.File("checkpoint-of-mine.safetensors"), "");
        Assert.Equal([1L, 2, 3, 40, 500, 123_456_789], folder.Steps);
        folder.Rotate(500, keep: 2, bestStep: 2);
        Assert.Equal([2L, 40, 500, 123_456_789], folder.Steps);
        Assert.Equal(
            [
                "checkpoint-00000002.safetensors", "checkpoint-00000040.safetensors",
                "checkpoint-00000500.safetensors", "checkpoint-123456789.safetensors",
                "checkpoint-of-mine.safetensors",
            ],
            temporary.Names());
    }
}
