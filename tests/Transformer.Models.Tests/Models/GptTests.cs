using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Tests.Interchange;
using Transformer.Tests.Fixtures;

namespace Transformer.Models.Tests.Models;

/// <summary>The decoder-only model: its numbers, its files, its first weights.</summary>
public sealed class GptTests
{
    private static readonly Fixture Fixture = Fixture.Load("gpt", "tiny");

    /// <summary>Values are fp32 between kernels; about 20 of them follow each other, each with a
    /// rounding error of 6e-8 relative to sums of up to 32 terms.</summary>
    private const double Tolerance = 1e-5;

    private static string FixtureConfig => (TestGpt.Config with
    {
        Vocabulary = 11,
        Positions = 7,
        Layers = 2,
        Heads = 2,
        Width = 8,
    }).ToJson();

    [Theory]
    [InlineData("reference")]
    [InlineData("simd")]
    public void LogitsLossAndGradients_MatchTorch(string backend)
    {
        using TemporaryFolder folder = new();
        using Gpt model = FromFixture(folder, BackendRegistry.Find(backend));
        CompiledGraph graph = Feed(model.EvaluationGraph(2, 6));
        graph.Forward();
        float[] logits = new float[2 * 6 * 11], loss = new float[1];
        graph.Fetch<float>("logits", logits);
        graph.Fetch<float>("loss", loss);
        Assert.True(TestModels.RelativeError(logits, Fixture.Doubles("logits")) < Tolerance);
        Assert.Equal(Fixture.Scalar("loss"), loss[0], Tolerance * Fixture.Scalar("loss"));

        graph = Feed(model.TrainingGraph(2, 6));
        graph.Feed<float>("lossGradient", [1]);
        model.Parameters.ClearGradients();
        graph.Forward();
        graph.Backward();

        // The file's own names and layouts, read back as gradients.
        foreach (Parameter parameter in model.Parameters.All)
            parameter.CopyFrom(TestModels.Gradient(parameter));
        model.Save(folder.File("gradients"));
        using SafeTensorsFile gradients =
            SafeTensorsFile.Open(Path.Combine(folder.File("gradients"), Gpt.WeightsFile));
        Assert.Equal(2 + (2 * 12) + 2, gradients.Tensors.Count);
        foreach (string name in gradients.Tensors.Keys)
        {
            float[] actual = gradients.ToSingles(name);
            double[] expected = Fixture.Doubles($"d_{name}");
            if (name.EndsWith("c_attn.bias", StringComparison.Ordinal))
            {
                // A key bias shifts all scores of a row alike: its gradient is zero but for
                // rounding.
                Assert.All(actual[8..16], g => Assert.InRange(g, -Tolerance, Tolerance));
                expected.AsSpan(8, 8).Clear();
                actual.AsSpan(8, 8).Clear();
            }

            double error = TestModels.RelativeError(actual, expected);
            Assert.True(error < Tolerance, $"{name}: {error:E2}");
        }
    }

    [Fact]
    public void Files_HaveHuggingFacesNamesAndLayouts()
    {
        using TemporaryFolder folder = new();
        using Gpt model = TestGpt.Make();
        model.Save(folder.File("model"));
        using (SafeTensorsFile file =
            SafeTensorsFile.Open(Path.Combine(folder.File("model"), Gpt.WeightsFile)))
        {
            Assert.Equal("pt", file.Metadata["format"]);
            Assert.Equal([23, 16], file.Tensors["transformer.wte.weight"].Shape);
            Assert.Equal([12, 16], file.Tensors["transformer.wpe.weight"].Shape);
            Assert.Equal([16, 48], file.Tensors["transformer.h.0.attn.c_attn.weight"].Shape);
            Assert.Equal([48], file.Tensors["transformer.h.1.attn.c_attn.bias"].Shape);
            Assert.Equal([16, 64], file.Tensors["transformer.h.1.mlp.c_fc.weight"].Shape);
            Assert.Equal([64, 16], file.Tensors["transformer.h.1.mlp.c_proj.weight"].Shape);
            Assert.Equal([16], file.Tensors["transformer.ln_f.bias"].Shape);

            // Input 3 → output 5 of the keys, which follow the 16 queries.
            float[] packed = file.ToSingles("transformer.h.0.attn.c_attn.weight");
            float[] key = StoredTensor.Values(model.Parameters["layers.0.attention.key.weight"]);
            Assert.Equal(key[(5 * 16) + 3], packed[(3 * 48) + 16 + 5]);
        }

        using Gpt loaded = Gpt.Load(folder.File("model"), BackendRegistry.Cpu);
        Assert.Equal(model.Config, loaded.Config);
        foreach (Parameter parameter in model.Parameters.All)
        {
            Assert.Equal(StoredTensor.Values(parameter),
                StoredTensor.Values(loaded.Parameters[parameter.Name]));
        }
    }

    [Theory]
    [InlineData("gpt2", 124_439_808)]
    [InlineData("gpt2-medium", 354_823_168)]
    [InlineData("gpt2-large", 774_030_080)]
    [InlineData("gpt2-xl", 1_557_611_200)]
    [InlineData("nanogpt-cpu", 809_856)]
    public void Presets_HaveTheKnownNumberOfParameters(string name, long expected)
    {
        GptConfig config = GptConfig.Preset(name);
        config.Validate();
        using ParameterSet parameters = new(BackendRegistry.Cpu);
        GptNetwork network = new(config, parameters);
        Assert.Equal(expected, parameters.Count);
        Assert.Equal(expected, network.Stored().Tensors.Sum(t => t.Shape.ElementCount));
    }

    [Fact]
    public void FirstWeights_AreSpreadAsGpt2s()
    {
        using Gpt model = new(GptConfig.Preset("nanogpt-cpu"), BackendRegistry.Cpu, seed: 5);

        // The estimate of a deviation from n numbers has a relative error of 1/√(2n), below 0.6 %
        // for these; four of those.
        Near(0.02, "embeddings.tokens.weight");
        Near(0.02, "layers.3.attention.value.weight");
        Near(0.02, "layers.0.feedForward.up.weight");
        Near(0.02 / Math.Sqrt(8), "layers.0.attention.output.weight");
        Near(0.02 / Math.Sqrt(8), "layers.3.feedForward.down.weight");
        Assert.All(StoredTensor.Values(model.Parameters["layers.1.attention.query.bias"]),
            b => Assert.Equal(0, b));

        void Near(double expected, string name)
        {
            float[] values = StoredTensor.Values(model.Parameters[name]);
            double deviation = Math.Sqrt(values.Average(v => (double)v * v));
            Assert.InRange(deviation / expected, 1 - 0.024, 1 + 0.024);
        }
    }

    [Fact]
    public void Shapes_AreChecked()
    {
        using Gpt model = TestGpt.Make();
        Assert.Equal("Gpt: 'length' is 13; the model has 12 positions. Use shorter windows, or " +
            "train a model with more positions.",
            Assert.Throws<ArgumentException>(() => model.TrainingGraph(1, 13)).Message);
        Assert.Equal("Gpt: 'batch' is 0; expected 1 or more.",
            Assert.Throws<ArgumentException>(() => model.EvaluationGraph(0, 3)).Message);
    }

    [Fact]
    public void DamagedFolders_AreRefused()
    {
        using TemporaryFolder folder = new();
        using Gpt model = TestGpt.Make();
        string place = folder.File("model");
        Assert.Throws<FileNotFoundException>(() => Gpt.Load(place, BackendRegistry.Cpu));
        model.Save(place);
        (TestGpt.Config with { Width = 32 }).Save(Path.Combine(place, Gpt.ConfigFile));
        string message = Assert.Throws<InvalidDataException>(
            () => Gpt.Load(place, BackendRegistry.Cpu)).Message;
        Assert.Contains("'transformer.wte.weight' has shape [23, 16]", message);
        Seq2SeqConfig.Tiny(9, 9).Save(Path.Combine(place, Gpt.ConfigFile));
        message = Assert.Throws<InvalidDataException>(
            () => Gpt.Load(place, BackendRegistry.Cpu)).Message;
        Assert.Contains("'model_type' is \"\"; expected \"gpt2\"", message);
    }

    private static Gpt FromFixture(TemporaryFolder folder, Backend backend)
    {
        string place = folder.File("fixture");
        Directory.CreateDirectory(place);
        File.WriteAllText(Path.Combine(place, Gpt.ConfigFile), FixtureConfig);
        SafeTensorsWriter writer = new();
        foreach (string name in Fixture.Names().Where(
            n => n.StartsWith("transformer.", StringComparison.Ordinal)))
        {
            writer.Add<float>(name, Fixture.Singles(name), Fixture.Shape(name));
        }

        writer.Write(Path.Combine(place, Gpt.WeightsFile));
        return Gpt.Load(place, backend);
    }

    private static CompiledGraph Feed(CompiledGraph graph)
    {
        graph.Feed<int>("ids", Fixture.Ints("ids"));
        graph.Feed<int>("labels", Fixture.Ints("labels"));
        return graph;
    }
}
