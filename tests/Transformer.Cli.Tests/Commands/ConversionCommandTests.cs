using System.Text.Json;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>export</c> and <c>import</c> of a model that the command line trained.</summary>
public sealed class ConversionCommandTests(TrainedGpt model)
    : IClassFixture<TrainedGpt>, IDisposable
{
    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void ExportedAndImported_TheModelWritesTheSame()
    {
        string json = files["export.json"];
        CommandResult export = CommandLine.Run(
            "export", "--model", model.Folder, "--out", files["out"], "--max-file-bytes", "20000",
            "--json", json).Succeeded();
        Assert.Contains("GPT2LMHeadModel, 14,336 parameters", export.Output,
            StringComparison.Ordinal);
        JsonElement result = JsonDocument.Parse(File.ReadAllText(json)).RootElement;
        Assert.Equal(14336, result.GetProperty("parameters").GetInt64());
        Assert.Contains(result.GetProperty("files").EnumerateArray(),
            f => f.GetString() == "model.safetensors.index.json");
        Assert.True(result.GetProperty("tokenizer").GetBoolean());
        CommandResult import = CommandLine.Run(
            "import", files["out"], "--out", files["back"]).Succeeded();
        Assert.Contains("model.safetensors, tokenizer.json, config.json", import.Output,
            StringComparison.Ordinal);
        Assert.Equal("", import.Error);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(model.Folder, "model.safetensors")),
            File.ReadAllBytes(Path.Combine(files["back"], "model.safetensors")));
        Assert.Equal(Generate(model.Folder), Generate(files["out"]));
        Assert.Equal(Generate(model.Folder), Generate(files["back"]));
    }

    [Fact]
    public void WithoutTokenizer_ANoteSaysSo()
    {
        CommandLine.Run("export", "--model", model.Folder, "--out", files["out"], "--type", "bf16")
            .Succeeded();
        File.Delete(Path.Combine(files["out"], "tokenizer.json"));
        CommandResult import = CommandLine.Run(
            "import", files["out"], "--out", files["back"]).Succeeded();
        Assert.StartsWith("note: the folder has no tokenizer files", import.Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void BadInput()
    {
        CommandLine.Run("import", files["none"], "--out", files["m"])
            .IsBadInput("Cannot find model folder");
        CommandLine.Run("import", model.Folder, "--out", model.Folder)
            .IsBadInput("is not empty. Name a new one.");
        CommandLine.Run("export", "--model", model.Folder, "--out", files["m"], "--type", "int8")
            .IsBadInput("int8", "fp16");
        CommandLine.Run("export", "--model", model.Folder, "--out", files["m"],
            "--max-file-bytes", "-1").IsBadInput("'MaxFileBytes' is -1; expected 0");
        string other = Directory.CreateDirectory(files["other"]).FullName;
        File.WriteAllText(Path.Combine(other, "config.json"), "{\"model_type\": \"llama\"}");
        File.WriteAllText(Path.Combine(other, "model.safetensors"), "");
        CommandLine.Run("import", other, "--out", files["m"])
            .IsBadInput("'model_type' is \"llama\"; supported are gpt2");
        Assert.False(Directory.Exists(files["m"]));
    }

    private static string Generate(string folder) => CommandLine.Run(
        "generate", "--model", folder, "hickory", "--tokens", "30", "--temperature", "0")
        .Succeeded().Output;
}
