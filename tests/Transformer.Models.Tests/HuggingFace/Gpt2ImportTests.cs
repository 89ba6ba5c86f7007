using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Tests.Models;
using Transformer.Tensors;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>GPT-2 in the spellings that other programs write, both ways.</summary>
public sealed class Gpt2ImportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("gpt2_shards", "simd")]
    [InlineData("gpt2_shards", "reference")]
    [InlineData("gpt2_half", "simd")]
    public void Logits_MatchTorch(string name, string backend)
    {
        using ForeignModel source = new(name);
        AssertLogits(source, source.Folder, backend);
        string imported = folder.File("imported"), exported = folder.File("exported");
        ConvertedModel model = Transformer.Models.HuggingFace.Import(source.Folder, imported);
        Assert.Equal("GPT2LMHeadModel", model.Kind);
        Assert.Equal(["model.safetensors", "config.json"], model.Files);
        Assert.False(model.HasTokenizer);
        AssertLogits(source, imported, backend);
        Transformer.Models.HuggingFace.Export(imported, exported, new() { MaxFileBytes = 4000 });
        AssertLogits(source, exported, backend);
    }

    /// <summary>What comes in goes out: the same names, shapes and bits.</summary>
    [Fact]
    public void ExportedWeights_AreThoseImported()
    {
        using ForeignModel source = new("gpt2_shards");
        string imported = folder.File("imported"), exported = folder.File("exported");
        Transformer.Models.HuggingFace.Import(source.Folder, imported);
        ConvertedModel model = Transformer.Models.HuggingFace.Export(
            imported, exported, new() { MaxFileBytes = 9000 });
        Assert.Equal(
            [
                "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                "model-00003-of-00003.safetensors", "model.safetensors.index.json", "config.json",
            ],
            model.Files);
        using SafeTensorsSet before = Open(source.Folder), after = Open(exported);
        string[] weights = [.. before.Tensors.Keys.Where(
            n => !n.EndsWith(".attn.bias", StringComparison.Ordinal) &&
                !n.EndsWith(".attn.masked_bias", StringComparison.Ordinal))];
        Assert.Equal(2 + (2 * 12) + 2, weights.Length);
        Assert.Equal(weights.Length, after.Tensors.Count);
        foreach (string name in weights)
        {
            string full = $"transformer.{name}";
            Assert.Equal(before.Tensors[name].Shape, after.Tensors[full].Shape);
            Assert.Equal(before.ToSingles(name), after.ToSingles(full));
        }

        Assert.Equal(
            GptConfig.Load(Path.Combine(source.Folder, Gpt.ConfigFile)),
            GptConfig.Load(Path.Combine(exported, Gpt.ConfigFile)));
    }

    [Theory]
    [InlineData(DType.Float16, 1f / 2048)]
    [InlineData(DType.BFloat16, 1f / 256)]
    public void NarrowTypes_RoundToNearest(DType type, float unit)
    {
        using Gpt model = TestGpt.Make();
        model.Save(folder.File("model"));
        Transformer.Models.HuggingFace.Export(
            folder.File("model"), folder.File("narrow"), new() { Type = type });
        using SafeTensorsSet wide = Open(folder.File("model"));
        using SafeTensorsSet narrow = Open(folder.File("narrow"));
        foreach (string name in wide.Tensors.Keys)
        {
            Assert.Equal(type, narrow.Tensors[name].DType);
            float[] exact = wide.ToSingles(name), rounded = narrow.ToSingles(name);
            for (int i = 0; i < exact.Length; i++)
            {
                // Half a unit in the last place; numbers below 2⁻¹⁴ lose places in binary16.
                Assert.Equal(
                    exact[i], rounded[i], Math.Max(Math.Abs(exact[i]) * unit, 6e-8f));
            }
        }
    }

    [Fact]
    public void TokenizerFiles_ComeAlong()
    {
        using ForeignModel source = new("gpt2_half");
        string copy = source.CopyTo(folder.File("source"));
        File.WriteAllText(Path.Combine(copy, "tokenizer.json"), "{}");
        File.WriteAllText(Path.Combine(copy, "merges.txt"), "#version: 0.2\n");
        ConvertedModel model = Transformer.Models.HuggingFace.Import(copy, folder.File("model"));
        Assert.True(model.HasTokenizer);
        Assert.Equal("{}", File.ReadAllText(folder.File("model/tokenizer.json")));
        Assert.True(File.Exists(folder.File("model/merges.txt")));
    }

    [Theory]
    [InlineData("\"n_inner\": null", "\"n_inner\": 24", "'n_inner' is 24; only four times")]
    [InlineData("gelu_new", "gelu", "'activation_function' is \"gelu\"; expected \"gelu_new\"")]
    [InlineData("{", "{\"tie_word_embeddings\": false,", "'tie_word_embeddings' is false")]
    [InlineData("{", "{\"add_cross_attention\": true,", "'add_cross_attention' is true")]
    [InlineData("{", "{\"scale_attn_weights\": false,", "'scale_attn_weights' is false")]
    [InlineData("{", "{\"scale_attn_by_inverse_layer_idx\": true,", "only false is supported")]
    [InlineData("\"gpt2\"", "\"llama\"", "'model_type' is \"llama\"; supported are gpt2")]
    [InlineData("\"n_layer\": 2", "\"n_layer\": 3", "no tensor 'transformer.h.2.")]
    [InlineData("\"n_layer\": 2", "\"n_layer\": 1", "'transformer.h.1.")]
    [InlineData("\"vocab_size\": 37", "\"vocab_size\": 38", "has shape [37, 12]")]
    public void OtherModels_AreRefused(string old, string changed, string expected)
    {
        using ForeignModel source = new("gpt2_half");
        string copy = source.CopyTo(folder.File("source"));
        string config = Path.Combine(copy, "config.json"), json = File.ReadAllText(config);
        int at = json.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, old);
        File.WriteAllText(config, json[..at] + changed + json[(at + old.Length)..]);
        InvalidDataException error = Assert.Throws<InvalidDataException>(
            () => Transformer.Models.HuggingFace.Import(copy, folder.File("model")));
        Assert.Contains(expected, error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.False(Directory.Exists(folder.File("model")));
    }

    [Fact]
    public void UntiedHeads_AndDoubleNames_AreRefused()
    {
        using ForeignModel source = new("gpt2_half");
        string copy = source.CopyTo(folder.File("source"));
        Rewrite(copy, (name, values) =>
        {
            if (name == "lm_head.weight") values[5] += 0.5f;
            return name;
        });
        Assert.Contains("'lm_head.weight' differs from 'transformer.wte.weight'", Refusal(copy));
        Rewrite(copy, (name, _) => name == "lm_head.weight" ? "wte.weight" : name);
        Assert.Contains("holds both 'transformer.wte.weight' and 'wte.weight'", Refusal(copy));
        Rewrite(copy, (name, _) => name == "wte.weight" ? "transformer.extra" : name);
        Assert.Contains("'transformer.extra' is not part of the model", Refusal(copy));
    }

    [Fact]
    public void MissingFiles_AndUsedTargets_AreNamed()
    {
        using ForeignModel source = new("gpt2_half");
        string copy = source.CopyTo(folder.File("source")), target = folder.File("target");
        Directory.CreateDirectory(target);
        File.WriteAllText(Path.Combine(target, "notes"), "");
        Assert.Contains("is not empty", Assert.Throws<IOException>(
            () => Transformer.Models.HuggingFace.Import(copy, target)).Message);
        File.Move(Path.Combine(copy, "model.safetensors"), Path.Combine(copy, "pytorch_model.bin"));
        Assert.Contains("safe_serialization=True", Assert.Throws<FileNotFoundException>(
            () => Transformer.Models.HuggingFace.Import(copy, folder.File("new"))).Message);
        Assert.Throws<FileNotFoundException>(
            () => Transformer.Models.HuggingFace.Import(folder.File("none"), folder.File("new")));
        File.Delete(Path.Combine(copy, "config.json"));
        Assert.Throws<FileNotFoundException>(
            () => Transformer.Models.HuggingFace.Import(copy, folder.File("new")));
        Assert.Equal("ExportOptions: 'Type' is Int32; expected Float32, Float16 or BFloat16.",
            Assert.Throws<ArgumentException>(() => Transformer.Models.HuggingFace.Export(
                source.Folder, folder.File("new"), new() { Type = DType.Int32 })).Message);
    }

    private string Refusal(string source) => Assert.Throws<InvalidDataException>(
        () => Transformer.Models.HuggingFace.Import(source, folder.File("model"))).Message;

    private static void AssertLogits(ForeignModel source, string place, string backend)
    {
        using Gpt model = Gpt.Load(place, BackendRegistry.Find(backend));
        CompiledGraph graph = model.EvaluationGraph(2, 11);
        graph.Feed<int>("ids", source.Ints("ids"));
        graph.Feed<int>("labels", new int[22]);
        graph.Forward();
        source.AssertOutput(graph, "logits", "logits");
    }

    private static SafeTensorsSet Open(string folder) =>
        SafeTensorsSet.Open(Path.Combine(folder, Gpt.WeightsFile));

    private static void Rewrite(string folder, Func<string, float[], string> change)
    {
        string path = Path.Combine(folder, Gpt.WeightsFile);
        SafeTensorsWriter writer = new();
        using (SafeTensorsFile file = SafeTensorsFile.Open(path))
        {
            foreach (SafeTensorInfo info in file.Tensors.Values)
            {
                float[] values = file.ToSingles(info.Name);
                writer.Add<float>(change(info.Name, values), values, [.. info.Shape]);
            }
        }

        writer.Write(path);
    }
}
