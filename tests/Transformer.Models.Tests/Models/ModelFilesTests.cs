using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;

namespace Transformer.Models.Tests.Models;

public sealed class ModelFilesTests
{
    [Theory]
    [MemberData(nameof(TestModels.Variants), MemberType = typeof(TestModels))]
    public void SavedModel_IsTheSame(string variant)
    {
        using TemporaryFolder folder = new();
        string path = folder.File("new/model");
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Variant(variant));
        model.Save(path);
        model.Save(path);
        using Seq2SeqTransformer loaded = Seq2SeqTransformer.Load(path, BackendRegistry.Reference);
        Assert.Equal(model.Config, loaded.Config);
        Assert.Equal(
            model.Parameters.All.Select(p => p.Name), loaded.Parameters.All.Select(p => p.Name));
        foreach (Parameter parameter in model.Parameters.All)
            Assert.Equal(Values(parameter), Values(loaded.Parameters[parameter.Name]));
        Assert.Equal(["config.json", "model.safetensors"],
            Directory.GetFiles(path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void ConstantTables_AreNotStored()
    {
        using TemporaryFolder folder = new();
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        model.Save(folder.Path);
        using SafeTensorsFile file = SafeTensorsFile.Open(folder.File("model.safetensors"));
        Assert.DoesNotContain("source.positions.weight", file.Tensors.Keys);
        Assert.Contains("source.tokens.weight", file.Tensors.Keys);
    }

    [Fact]
    public void MissingFiles_AreNamed()
    {
        using TemporaryFolder folder = new();
        string missing = folder.File("absent");
        Assert.Equal($"Cannot find model folder '{missing}'. Train a model, or check the path.",
            Assert.Throws<FileNotFoundException>(() => Load(missing)).Message);
        Assert.Contains("config.json",
            Assert.Throws<FileNotFoundException>(() => Load(folder.Path)).Message);
        TestModels.Config.Save(folder.File("config.json"));
        Assert.Contains("model.safetensors",
            Assert.Throws<FileNotFoundException>(() => Load(folder.Path)).Message);
    }

    [Fact]
    public void TruncatedWeights_AreRefused()
    {
        using TemporaryFolder folder = new();
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        model.Save(folder.Path);
        string path = folder.File("model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        foreach (int length in (int[])[0, 7, 100, bytes.Length - 1])
        {
            File.WriteAllBytes(path, bytes[..length]);
            Assert.Contains(path,
                Assert.Throws<InvalidDataException>(() => Load(folder.Path)).Message);
        }
    }

    [Fact]
    public void OtherTensors_AreRefusedByName()
    {
        using TemporaryFolder folder = new();
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        model.Save(folder.Path);
        string path = folder.File("model.safetensors");
        string Message(Seq2SeqConfig config)
        {
            config.Save(folder.File("config.json"));
            return Assert.Throws<InvalidDataException>(() => Load(folder.Path)).Message;
        }

        Assert.Equal(
            $"'{path}': tensor 'source.tokens.weight' has shape [23, 16]; config.json asks for " +
            "[24, 16]. Use weights and configuration of one model.",
            Message(model.Config with { SourceVocabulary = 24 }));
        Assert.StartsWith(
            $"'{path}' has no tensor 'encoder.2.attention.query.weight' of shape [16, 16], which " +
            "config.json asks for.", Message(model.Config with { EncoderLayers = 3 }));
        Assert.Equal(
            $"'{path}': tensor 'encoder.1.attention.key.bias' is not part of the model that " +
            "config.json describes. Use weights and configuration of one model.",
            Message(model.Config with { EncoderLayers = 1 }));
    }

    [Fact]
    public void RefusedWeights_ChangeNothing()
    {
        using TemporaryFolder folder = new();
        using Seq2SeqTransformer small =
            TestModels.Make(TestModels.Config with { FeedForwardWidth = 8 });
        small.Save(folder.Path);
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config, seed: 8);
        float[][] before = [.. model.Parameters.All.Select(Values)];
        Assert.Throws<InvalidDataException>(
            () => model.LoadWeights(folder.File("model.safetensors")));
        Assert.Equal(before, model.Parameters.All.Select(Values));
    }

    [Fact]
    public void Folder_ThatIsAFile_IsRefused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("taken"), "");
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        Assert.StartsWith($"Cannot create model folder '{folder.File("taken")}': ",
            Assert.Throws<IOException>(() => model.Save(folder.File("taken"))).Message);
    }

    private static void Load(string folder) =>
        Seq2SeqTransformer.Load(folder, BackendRegistry.Cpu).Dispose();

    private static float[] Values(Parameter parameter)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.CopyTo(values);
        return values;
    }
}
