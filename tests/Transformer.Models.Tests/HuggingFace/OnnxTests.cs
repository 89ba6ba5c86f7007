using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Interchange;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>The ONNX export: the bytes that ONNX Runtime 1.30 ran, and what it computed.</summary>
/// <remarks>run_onnx.mjs made the records; where the export changes on purpose, it is to be run
/// again.</remarks>
public sealed class OnnxTests : IDisposable
{
    // Both are fp32; logits are up to about 8, about 20 kernels deep, 6e-8 each.
    private const float Tolerance = 2e-5f;

    private static readonly (int Batch, int Length)[] s_shapes = [(2, 11), (1, 1), (3, 9)];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("gpt2_shards", "GPT2LMHeadModel")]
    [InlineData("bert", "BertForPreTraining")]
    [InlineData("bert_classifier", "BertForSequenceClassification")]
    [InlineData("marian", "MarianMTModel")]
    [InlineData("translator", "Seq2SeqTransformer")]
    public void Export_IsTheModelThatOnnxRuntimeRan(string name, string kind)
    {
        ConvertedModel model =
            Transformer.Models.HuggingFace.ExportOnnx(Source(name), folder.File("out"));
        Assert.Equal(kind, model.Kind);
        string[] files = [.. model.Files.Where(f => f.EndsWith(".onnx", StringComparison.Ordinal))];
        Assert.Equal(
            name is "marian" or "translator"
                ? ["encoder_model.onnx", "decoder_model.onnx"] : ["model.onnx"],
            files);
        Assert.All(files, file => Assert.Equal(
            File.ReadAllBytes(Path.Combine(Source("onnx"), name, file)),
            File.ReadAllBytes(Path.Combine(folder.File("out"), file))));
    }

    [Fact]
    public void Gpt_AgreesWithOnnxRuntime()
    {
        using SafeTensorsFile recorded = Recorded("gpt2_shards");
        using Gpt model = Gpt.Load(Source("gpt2_shards"), BackendRegistry.Cpu);
        foreach ((int batch, int length) in s_shapes)
        {
            CompiledGraph graph = model.EvaluationGraph(batch, length);
            graph.Feed<int>("ids", Ints(recorded, batch, length, "input_ids"));
            graph.Feed<int>("labels", new int[batch * length]);
            AssertOutputs(graph, recorded, batch, length, ("logits", "logits"));
        }
    }

    [Fact]
    public void Bert_AgreesWithOnnxRuntime()
    {
        using SafeTensorsFile recorded = Recorded("bert");
        using Bert model = Bert.Load(Source("bert"), BackendRegistry.Cpu);
        foreach ((int batch, int length) in s_shapes)
        {
            CompiledGraph graph = model.EvaluationGraph(batch, length, masked: length);
            FeedTexts(graph, recorded, batch, length);
            graph.Feed<int>("maskedRows", [.. Enumerable.Range(0, batch * length)]);
            graph.Feed<int>("labels", new int[batch * length]);
            graph.Feed<int>("nextLabels", new int[batch]);
            AssertOutputs(graph, recorded, batch, length,
                ("logits", "prediction_logits"),
                ("nextLogits", "seq_relationship_logits"));
        }
    }

    [Fact]
    public void Classifier_AgreesWithOnnxRuntime()
    {
        using SafeTensorsFile recorded = Recorded("bert_classifier");
        using BertClassifier model =
            BertClassifier.Load(Source("bert_classifier"), BackendRegistry.Cpu);
        foreach ((int batch, int length) in s_shapes)
        {
            CompiledGraph graph = model.EvaluationGraph(batch, length);
            FeedTexts(graph, recorded, batch, length);
            graph.Feed<int>("labels", new int[batch]);
            AssertOutputs(graph, recorded, batch, length, ("logits", "logits"));
        }
    }

    [Theory]
    [InlineData("marian")]
    [InlineData("translator")]
    public void Translators_AgreeWithOnnxRuntime(string name)
    {
        using SafeTensorsFile recorded = Recorded(name);
        using Seq2SeqTransformer model = name == "marian"
            ? Marian.Load(Source(name), unknownId: 1, BackendRegistry.Cpu)
            : Seq2SeqTransformer.Load(Source(name), BackendRegistry.Cpu);
        foreach ((int batch, int length) in s_shapes)
        {
            int[] target = Ints(recorded, batch, length, "input_ids");
            CompiledGraph graph = model.EvaluationGraph(batch, length, target.Length / batch);
            graph.Feed<int>("source", Ints(recorded, batch, length, "source_ids"));
            graph.Feed<int>("sourceLengths", Lengths(recorded, batch, length));
            graph.Feed<int>("target", target);
            graph.Feed<int>("labels", new int[target.Length]);
            AssertOutputs(graph, recorded, batch, length, ("logits", "logits"));
        }
    }

    [Fact]
    public void WeightsTooLargeForOneFile_LieInASecond()
    {
        float[] values = [.. Enumerable.Range(0, 100).Select(i => i / 8f)];
        OnnxGraph graph = new("two");
        graph.Weight("first", new(100), () => values);
        graph.Weight("second", new(2, 50), () => values[..100]);
        graph.Numbers("shape", [4]);
        string path = folder.File("model.onnx"), data = path + ".data";
        Assert.Equal([path], graph.Write(path));
        long whole = new FileInfo(path).Length;

        // 2 · 400 bytes of weights and 8 of numbers, which stay inside.
        Assert.Equal([path], graph.Write(path, largest: 808));
        Assert.Equal(whole, new FileInfo(path).Length);
        Assert.Equal([path, data], graph.Write(path, largest: 807));
        Assert.InRange(new FileInfo(path).Length, 8, whole - 600);
        float[] both = [.. values, .. values];
        Assert.Equal(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(both).ToArray(),
            File.ReadAllBytes(data));
        string text = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(path));
        Assert.Contains("location\u0012\u000fmodel.onnx.data", text);
        Assert.Contains("offset\u0012\u0003400", text);
    }

    [Theory]
    [InlineData(PositionKind.Rotary, "rotary")]
    [InlineData(PositionKind.Alibi, "alibi")]
    [InlineData(PositionKind.Relative, "relative")]
    public void PositionsInTheAttention_AreRefused(PositionKind kind, string name)
    {
        using Seq2SeqTransformer model = new(
            Seq2SeqConfig.Tiny(8, 8) with { Width = 16, FeedForwardWidth = 16, Positions = kind },
            BackendRegistry.Cpu, seed: 1);
        model.Save(folder.File("model"));
        string expected = $"ONNX: the model has {name} positions; learned and sinusoidal ones " +
            "are written. Train it with those, or export to safetensors.";
        Assert.Equal(expected, Assert.Throws<NotSupportedException>(
            () => Transformer.Models.HuggingFace.ExportOnnx(
                folder.File("model"), folder.File("out"))).Message);
        Assert.Equal(expected, Assert.Throws<NotSupportedException>(
            () => model.SaveOnnx(folder.File("out"))).Message);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    [Fact]
    public void OtherModels_AreRefused()
    {
        string source = folder.File("model");
        Directory.CreateDirectory(source);
        File.WriteAllText(Path.Combine(source, "config.json"), """{"model_type": "t5"}""");
        File.Copy(Path.Combine(Source("bert"), "model.safetensors"),
            Path.Combine(source, "model.safetensors"));
        Assert.Contains("'model_type' is \"t5\"; supported are gpt2, bert, marian.",
            Assert.Throws<InvalidDataException>(() => Transformer.Models.HuggingFace.ExportOnnx(
                source, folder.File("out"))).Message);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    private static void FeedTexts(
        CompiledGraph graph, SafeTensorsFile recorded, int batch, int length)
    {
        graph.Feed<int>("ids", Ints(recorded, batch, length, "input_ids"));
        graph.Feed<int>("segments", Ints(recorded, batch, length, "token_type_ids"));
        graph.Feed<int>("lengths", Lengths(recorded, batch, length));
    }

    private static void AssertOutputs(
        CompiledGraph graph, SafeTensorsFile recorded, int batch, int length,
        params (string Output, string Tensor)[] outputs)
    {
        graph.Forward();
        foreach ((string output, string tensor) in outputs)
        {
            float[] expected = recorded.ToSingles($"{batch}x{length}/{tensor}");
            float[] actual = new float[expected.Length];
            graph.Fetch<float>(output, actual);
            for (int i = 0; i < actual.Length; i++)
                Assert.Equal(expected[i], actual[i], Tolerance);
            Assert.Contains(expected, logit => Math.Abs(logit) > 0.1);
        }
    }

    private static int[] Lengths(SafeTensorsFile recorded, int batch, int length) =>
        [.. Ints(recorded, batch, length, "attention_mask").Chunk(length).Select(r => r.Sum())];

    private static int[] Ints(SafeTensorsFile recorded, int batch, int length, string name) =>
        Array.ConvertAll(
            recorded.As<long>($"{batch}x{length}/{name}").ToArray(), x => checked((int)x));

    private static SafeTensorsFile Recorded(string name) =>
        SafeTensorsFile.Open(Path.Combine(Source("onnx"), name, "expected.safetensors"));

    private static string Source(string name) =>
        Path.Combine(AppContext.BaseDirectory, "HuggingFace", name);
}
