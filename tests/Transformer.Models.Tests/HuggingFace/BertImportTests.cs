using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Tests.Models;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>BERT against PyTorch: both logits, the loss, every gradient, and the files.</summary>
public sealed class BertImportTests : IDisposable
{
    private const int Batch = 2, Length = 10;

    /// <summary>Values are fp32 between kernels; about 30 of them follow each other, each with a
    /// rounding error of 6e-8 relative to sums of up to 31 terms.</summary>
    private const double GradientTolerance = 2e-5;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Logits_MatchTorch(string backend)
    {
        using ForeignModel source = new("bert");
        AssertLogits(source, source.Folder, backend);
        string imported = folder.File("imported"), exported = folder.File("exported");
        ConvertedModel model = Transformer.Models.HuggingFace.Import(source.Folder, imported);
        Assert.Equal("BertForPreTraining", model.Kind);
        AssertLogits(source, imported, backend);
        Transformer.Models.HuggingFace.Export(imported, exported, new() { MaxFileBytes = 9000 });
        Assert.True(File.Exists(Path.Combine(exported, "model.safetensors.index.json")));
        AssertLogits(source, exported, backend);
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void LossAndGradients_MatchTorch(string backend)
    {
        using ForeignModel source = new("bert");
        using Bert model = Bert.Load(source.Folder, BackendRegistry.Find(backend));

        // Dropout has no part in what PyTorch computed.
        using Bert still = new(model.Config with { Dropout = 0 }, model.Backend, seed: 1);
        still.LoadWeights(Path.Combine(source.Folder, Bert.WeightsFile));
        (int[] rows, int[] labels) = Chosen(source.Ints("labels"));
        CompiledGraph graph = still.TrainingGraph(Batch, Length, 3);
        Feed(graph, source, rows, labels, source.Ints("next_labels"));
        graph.Feed<float>("lossGradient", [1]);
        still.Parameters.ClearGradients();
        graph.Forward();
        float[] loss = new float[1];
        graph.Fetch<float>("loss", loss);
        Assert.Equal(source.Doubles("loss")[0], loss[0], 1e-5);
        graph.Backward();

        // The file's own names and layouts, read back as gradients.
        foreach (Parameter parameter in still.Parameters.All)
            parameter.CopyFrom(TestModels.Gradient(parameter));
        still.Save(folder.File("gradients"));
        using SafeTensorsFile gradients = SafeTensorsFile.Open(
            Path.Combine(folder.File("gradients"), Bert.WeightsFile));
        Assert.Equal(5 + (2 * 16) + 2 + 7, gradients.Tensors.Count);
        foreach (string name in gradients.Tensors.Keys)
        {
            double[] expected = source.Doubles("d_" + OldName(name));
            float[] actual = gradients.ToSingles(name);
            double error = name.EndsWith("self.key.bias", StringComparison.Ordinal)
                // It shifts all scores of a row alike: zero but for rounding.
                ? actual.Max(Math.Abs)
                : TestModels.RelativeError(actual, expected);
            Assert.True(error < GradientTolerance, $"{name}: {error:E2}");
        }
    }

    [Fact]
    public void ExportedWeights_AreThoseImported()
    {
        using ForeignModel source = new("bert");
        Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        using SafeTensorsSet before = SafeTensorsSet.Open(
            Path.Combine(source.Folder, Bert.WeightsFile));
        using SafeTensorsSet after = SafeTensorsSet.Open(
            Path.Combine(folder.File("imported"), Bert.WeightsFile));
        foreach (string name in after.Tensors.Keys)
        {
            Assert.Equal(before.Tensors[OldName(name)].Shape, after.Tensors[name].Shape);
            Assert.Equal(before.ToSingles(OldName(name)), after.ToSingles(name));
        }

        // The tied matrix, the bias twice and the position numbers are no tensors of their own.
        Assert.Equal(before.Tensors.Count - 3, after.Tensors.Count);
        Assert.Equal(
            BertConfig.Load(Path.Combine(source.Folder, Bert.ConfigFile)),
            BertConfig.Load(Path.Combine(folder.File("imported"), Bert.ConfigFile)));
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void ClassifierLogits_MatchTorch(string backend)
    {
        using ForeignModel source = new("bert_classifier");
        ConvertedModel converted =
            Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        Assert.Equal("BertForSequenceClassification", converted.Kind);
        foreach (string place in (string[])[source.Folder, folder.File("imported")])
        {
            using BertClassifier model =
                BertClassifier.Load(place, BackendRegistry.Find(backend));
            Assert.Equal(["bad", "middling", "good"], model.Labels);
            CompiledGraph graph = model.EvaluationGraph(Batch, Length);
            graph.Feed<int>("ids", source.Ints("ids"));
            graph.Feed<int>("segments", source.Ints("token_type_ids"));
            graph.Feed<int>("lengths", source.Ints("lengths"));
            graph.Feed<int>("labels", [0, 2]);
            graph.Forward();
            source.AssertOutput(graph, "logits", "logits");
        }
    }

    [Fact]
    public void PretrainedEncoders_BecomeClassifiers()
    {
        using ForeignModel source = new("bert");
        using Bert pretrained = Bert.Load(source.Folder, BackendRegistry.Cpu);
        using BertClassifier model = BertClassifier.FromPretrained(
            source.Folder, ["no", "yes"], BackendRegistry.Cpu, seed: 3);
        foreach (Parameter parameter in model.Parameters.All)
        {
            if (parameter.Name.StartsWith("classifier.", StringComparison.Ordinal)) continue;
            Assert.Equal(StoredTensor.Values(pretrained.Parameters[parameter.Name]),
                StoredTensor.Values(parameter));
        }

        Assert.Contains(StoredTensor.Values(model.Parameters["classifier.weight"]), w => w != 0);
    }

    [Theory]
    [InlineData("gelu", "mish", "'hidden_act' is \"mish\"; expected \"gelu\" or \"gelu_new\"")]
    [InlineData("absolute", "relative_key", "'position_embedding_type' is \"relative_key\"")]
    [InlineData("{", "{\"is_decoder\": true,", "'is_decoder' is true; only false is supported")]
    [InlineData("\"intermediate_size\": 20", "\"intermediate_size\": 24", "has shape [20, 12]")]
    [InlineData("\"num_attention_heads\": 3", "\"num_attention_heads\": 5", "'width' is 12; exp")]
    [InlineData("BertForPreTraining", "BertForSequenceClassification", "no tensor 'classifier.")]
    public void OtherModels_AreRefused(string old, string changed, string expected)
    {
        using ForeignModel source = new("bert");
        string copy = source.CopyTo(folder.File("source"));
        string config = Path.Combine(copy, "config.json"), json = File.ReadAllText(config);
        int at = json.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, old);
        File.WriteAllText(config, json[..at] + changed + json[(at + old.Length)..]);
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(
            () => Transformer.Models.HuggingFace.Import(copy, folder.File("model"))).Message);
    }

    [Fact]
    public void ModelsOfAnotherKind_AreNamed()
    {
        using ForeignModel gpt = new("gpt2_half"), classifier = new("bert_classifier");
        Assert.Contains("'model_type' is \"gpt2\"; expected \"bert\"",
            Assert.Throws<InvalidDataException>(
                () => Bert.Load(gpt.Folder, BackendRegistry.Cpu)).Message);
        Assert.Contains("no tensor 'cls.predictions.bias'", Assert.Throws<InvalidDataException>(
            () => Bert.Load(classifier.Folder, BackendRegistry.Cpu)).Message);
        string copy = classifier.CopyTo(folder.File("copy"));
        string config = Path.Combine(copy, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace(
            "\"1\": \"middling\"", "\"5\": \"middling\"", StringComparison.Ordinal));
        Assert.Contains("'id2label' is no object of names", Assert.Throws<InvalidDataException>(
            () => BertClassifier.Load(copy, BackendRegistry.Cpu)).Message);
    }

    /// <summary>The fixture's norms are spelled as TensorFlow's were.</summary>
    private static string OldName(string name) => name
        .Replace("LayerNorm.weight", "LayerNorm.gamma", StringComparison.Ordinal)
        .Replace("LayerNorm.bias", "LayerNorm.beta", StringComparison.Ordinal);

    /// <summary>The rows of labels that count, three a text.</summary>
    private static (int[] Rows, int[] Labels) Chosen(int[] labels)
    {
        int[] rows = new int[Batch * 3], chosen = [.. Enumerable.Repeat(-1, Batch * 3)];
        for (int text = 0; text < Batch; text++)
        {
            int place = text * 3;
            for (int i = text * Length; i < (text + 1) * Length; i++)
            {
                if (labels[i] >= 0) (rows[place], chosen[place++]) = (i, labels[i]);
            }
        }

        return (rows, chosen);
    }

    private static void AssertLogits(ForeignModel source, string place, string backend)
    {
        using Bert model = Bert.Load(place, BackendRegistry.Find(backend));
        CompiledGraph graph = model.EvaluationGraph(Batch, Length, Length);
        Feed(graph, source, [.. Enumerable.Range(0, Batch * Length)], new int[Batch * Length],
            [0, 1]);
        graph.Forward();
        source.AssertOutput(graph, "logits", "prediction_logits");
        source.AssertOutput(graph, "nextLogits", "seq_relationship_logits");
    }

    private static void Feed(
        CompiledGraph graph, ForeignModel source, int[] rows, int[] labels, int[] nextLabels)
    {
        graph.Feed<int>("ids", source.Ints("ids"));
        graph.Feed<int>("segments", source.Ints("token_type_ids"));
        graph.Feed<int>("lengths", source.Ints("lengths"));
        graph.Feed<int>("maskedRows", rows);
        graph.Feed<int>("labels", labels);
        graph.Feed<int>("nextLabels", nextLabels);
    }
}
