namespace Transformer.Models.Tests.Models;

/// <summary>The configuration of a decoder-only model: ranges, and Hugging Face's file.</summary>
public sealed class GptConfigTests
{
    [Fact]
    public void Json_IsReadBack()
    {
        GptConfig config = TestGpt.Config with { Dropout = 0.25, Epsilon = 1e-6 };
        Assert.Equal(config, GptConfig.FromJson(config.ToJson()));
        foreach (GptConfig preset in GptConfig.Presets.Values)
            Assert.Equal(preset, GptConfig.FromJson(preset.ToJson()));
    }

    [Fact]
    public void FieldsOfHuggingFacesFile_AreTakenOrPassedOver()
    {
        const string Json = """
            {"model_type": "gpt2", "vocab_size": 50, "n_positions": 32, "n_ctx": 32, "n_embd": 24,
             "n_layer": 3, "n_head": 4, "resid_pdrop": 0.1, "summary_type": "cls_index",
             "activation_function": "gelu_new", "layer_norm_epsilon": 1e-05}
            """;
        GptConfig expected = new()
        {
            Vocabulary = 50,
            Positions = 32,
            Layers = 3,
            Heads = 4,
            Width = 24,
            Dropout = 0.1,
        };
        Assert.Equal(expected, GptConfig.FromJson(Json));
    }

    [Theory]
    [InlineData("\"n_layer\": 2", "\"n_layer\": 0", "'layers' is 0; expected 1 or more")]
    [InlineData("\"n_embd\": 16", "\"n_embd\": 15", "'width' is 15; expected a multiple of the 2")]
    [InlineData("\"n_embd\": 16", "\"n_embd\": \"wide\"", "'n_embd' is \"wide\"; expected a whole")]
    [InlineData("\"n_head\"", "\"heads\"", "the field 'n_head' is missing")]
    [InlineData("gelu_new", "relu", "'activation_function' is \"relu\"; expected \"gelu_new\"")]
    [InlineData("\"gpt2\"", "\"bert\"", "'model_type' is \"bert\"; expected \"gpt2\"")]
    [InlineData("\"vocab_size\": 23", "\"vocab_size\": 99999999", "expected at most 16777216")]
    public void BadFields_AreNamed(string old, string changed, string expected)
    {
        string json = TestGpt.Config.ToJson();
        Assert.Contains(old, json);
        Exception error = Assert.ThrowsAny<Exception>(
            () => GptConfig.FromJson(json.Replace(old, changed, StringComparison.Ordinal)));
        Assert.True(error is ArgumentException or InvalidDataException, error.GetType().Name);
        Assert.StartsWith("GptConfig: ", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void UnknownPresets_ListTheKnownOnes() => Assert.Equal(
        "GptConfig: there is no preset 'gpt3'; expected one of nanogpt-cpu, gpt2, gpt2-medium, " +
        "gpt2-large, gpt2-xl.",
        Assert.Throws<ArgumentException>(() => GptConfig.Preset("gpt3")).Message);
}
