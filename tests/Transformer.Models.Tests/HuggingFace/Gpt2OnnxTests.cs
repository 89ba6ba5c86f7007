using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>The ONNX export: the bytes that ONNX Runtime 1.30 ran, and its logits.</summary>
/// <remarks>run_onnx.mjs made the records; where the export changes on purpose, it is to be run
/// again.</remarks>
public sealed class Gpt2OnnxTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Export_IsTheModelThatOnnxRuntimeRan()
    {
        using ForeignModel source = new("gpt2_shards"), recorded = new("gpt2_onnx");
        ConvertedModel model =
            Transformer.Models.HuggingFace.ExportOnnx(source.Folder, folder.File("out"));
        Assert.Equal(["model.onnx"], model.Files);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(recorded.Folder, "model.onnx")),
            File.ReadAllBytes(folder.File("out/model.onnx")));
    }

    [Theory]
    [InlineData(2, 11)]
    [InlineData(1, 1)]
    [InlineData(3, 16)]
    public void Logits_AreThoseOfOnnxRuntime(int batch, int length)
    {
        using ForeignModel source = new("gpt2_shards");
        using SafeTensorsFile recorded = SafeTensorsFile.Open(Path.Combine(
            AppContext.BaseDirectory, "HuggingFace", "gpt2_onnx", "expected.safetensors"));
        using Gpt model = Gpt.Load(source.Folder, BackendRegistry.Cpu);
        CompiledGraph graph = model.EvaluationGraph(batch, length);
        graph.Feed<int>("ids", Array.ConvertAll(
            recorded.As<long>($"{batch}x{length}/ids").ToArray(), id => (int)id));
        graph.Feed<int>("labels", new int[batch * length]);
        graph.Forward();
        float[] expected = recorded.ToSingles($"{batch}x{length}/logits");
        float[] actual = new float[expected.Length];
        graph.Fetch<float>("logits", actual);

        // Both are fp32; logits are up to about 5, about 20 kernels deep, 6e-8 each.
        for (int i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 2e-5f);
        Assert.Contains(expected, logit => Math.Abs(logit) > 1);
    }

    [Fact]
    public void OtherModels_AreRefused()
    {
        using ForeignModel source = new("bert");
        Assert.Contains("'model_type' is \"bert\"; expected \"gpt2\"",
            Assert.Throws<InvalidDataException>(() => Transformer.Models.HuggingFace.ExportOnnx(
                source.Folder, folder.File("out"))).Message);
        Assert.False(Directory.Exists(folder.File("out")));
    }
}
