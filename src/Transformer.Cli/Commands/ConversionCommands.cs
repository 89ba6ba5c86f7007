using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Transformer.Cli.Output;
using Transformer.Models;
using Transformer.Tensors;

namespace Transformer.Cli.Commands;

/// <summary><c>import</c> and <c>export</c>: folders of Hugging Face's library, both ways.
/// </summary>
internal static class ConversionCommands
{
    /// <summary>Makes <c>import</c>.</summary>
    public static Command Import()
    {
        Argument<string> source = new("FOLDER")
        {
            Description = "Folder with config.json and model.safetensors, or several weight " +
                "files with model.safetensors.index.json.",
        };
        Option<string> target = Target();
        Option<string?> json = CommonOptions.Json();
        Command command = new("import",
            "Check a model of Hugging Face's library and write it as a model of this program.")
        {
            source, target, json,
        };
        command.SetAction((parsed, _) => Task.Run(() => Report(
            parsed, json, parsed.GetRequiredValue(target), () => HuggingFace.Import(
                parsed.GetRequiredValue(source), parsed.GetRequiredValue(target)))));
        return command;
    }

    /// <summary>Makes <c>export</c>.</summary>
    public static Command Export()
    {
        Option<string> model = CommonOptions.Model();
        Option<string> target = Target();
        Option<string> type = new("--type")
        {
            Description = "Type of the weights.",
            HelpName = "fp32|fp16|bf16",
            DefaultValueFactory = _ => "fp32",
        };
        type.AcceptOnlyFromAmong("fp32", "fp16", "bf16");
        Option<string> format = new("--format")
        {
            Description = "safetensors: a folder of Hugging Face's library; onnx: model.onnx, or " +
                "encoder_model.onnx and decoder_model.onnx of a translator, in fp32.",
            HelpName = "safetensors|onnx",
            DefaultValueFactory = _ => "safetensors",
        };
        format.AcceptOnlyFromAmong("safetensors", "onnx");
        NumberOption<long> size = new("--max-file-bytes")
        {
            Description = "Most bytes of weights in one file; 0: one file.",
            HelpName = "N",
            DefaultValueFactory = _ => new ExportOptions().MaxFileBytes,
        };
        Option<string?> json = CommonOptions.Json();
        Command command = new("export",
            "Write a model for other programs: Hugging Face's library, or ONNX Runtime.")
        {
            model, target, format, type, size, json,
        };
        command.SetAction((parsed, _) => Task.Run(() =>
        {
            string source = parsed.GetRequiredValue(model), to = parsed.GetRequiredValue(target);
            bool onnx = parsed.GetRequiredValue(format) == "onnx";
            if (onnx && parsed.GetRequiredValue(type) != "fp32")
            {
                throw new ArgumentException("export: --format onnx writes fp32 alone. Leave " +
                    "--type out.");
            }

            ExportOptions options = new()
            {
                Type = parsed.GetRequiredValue(type) switch
                {
                    "fp16" => DType.Float16,
                    "bf16" => DType.BFloat16,
                    _ => DType.Float32,
                },
                MaxFileBytes = parsed.GetValue(size),
            };
            return Report(parsed, json, to, () => onnx
                ? HuggingFace.ExportOnnx(source, to) : HuggingFace.Export(source, to, options));
        }));
        return command;
    }

    private static Option<string> Target() => new("--out")
    {
        Description = "New folder to write.",
        HelpName = "FOLDER",
        Required = true,
    };

    private static int Report(
        ParseResult parsed, Option<string?> json, string folder, Func<ConvertedModel> convert)
    {
        JsonOutput result = new(parsed.GetValue(json));
        ConvertedModel model = convert();
        TextWriter output = parsed.InvocationConfiguration.Output;
        Terminal.For(result, output).WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{model.Kind}, {model.Parameters:N0} parameters, in {folder}: " +
            $"{string.Join(", ", model.Files)}"));
        if (!model.HasTokenizer)
        {
            parsed.InvocationConfiguration.Error.WriteLine("note: the folder has no tokenizer " +
                "files; commands that read text need tokenizer.json beside the weights");
        }

        result.Write(output, writer => WriteJson(writer, folder, model));
        return Application.Done;
    }

    private static void WriteJson(Utf8JsonWriter writer, string folder, ConvertedModel model)
    {
        writer.WriteStartObject();
        writer.WriteString("kind", model.Kind);
        writer.WriteNumber("parameters", model.Parameters);
        writer.WriteString("folder", folder);
        writer.WriteStartArray("files");
        foreach (string file in model.Files) writer.WriteStringValue(file);
        writer.WriteEndArray();
        writer.WriteBoolean("tokenizer", model.HasTokenizer);
        writer.WriteEndObject();
    }
}
