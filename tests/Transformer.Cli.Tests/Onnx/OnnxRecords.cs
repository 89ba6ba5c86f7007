using System.Text.Json;
using Transformer.Cli.Tests.Commands.Run;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Cli.Tests.Onnx;

/// <summary>The problems and results that ONNX Runtime recorded; README.md says how.</summary>
internal static class OnnxRecords
{
    /// <summary>File, without extension, and case of every record in a folder.</summary>
    /// <param name="folder">Below Onnx; empty for that one itself.</param>
    public static TheoryData<string, string> Cases(string folder)
    {
        TheoryData<string, string> rows = [];
        string path = Path.Combine(AppContext.BaseDirectory, "Onnx", folder);
        foreach (string file in Directory.GetFiles(path, "*.safetensors").Order())
        {
            string name = Path.GetFileNameWithoutExtension(file);
            using SafeTensorsFile recorded = Open(Path.Combine(folder, name));
            foreach (string key in recorded.Metadata.Keys.Where(key => key != "runtime").Order())
                rows.Add(name, key);
        }

        return rows;
    }

    public static SafeTensorsFile Open(string file) => SafeTensorsFile.Open(
        Path.Combine(AppContext.BaseDirectory, "Onnx", file + ".safetensors"));

    /// <summary>Runs a case's command and returns the names of its outputs.</summary>
    /// <param name="recorded">The file.</param>
    /// <param name="name">The case.</param>
    /// <param name="files">Receive inputs and outputs.</param>
    /// <param name="floats">Type that floating-point inputs are given as; null as recorded.
    /// </param>
    /// <param name="options">Further options of the command.</param>
    public static List<string> Run(
        SafeTensorsFile recorded, string name, RunFiles files, DType? floats = null,
        params string[] options)
    {
        string[] command = [.. JsonDocument.Parse(recorded.Metadata[name]).RootElement
            .EnumerateArray().Select(argument => argument.GetString()!)];
        List<string> outputs = [];
        for (int i = 0; i < command.Length; i++)
        {
            string argument = command[i];
            if (argument[0] is not ('@' or '>')) continue;
            if (argument[0] == '@') Write(recorded, name, argument[1..], files, floats);
            else outputs.Add(argument[1..]);
            command[i] = files[argument[1..]];
        }

        string[] type = floats == DType.BFloat16 ? ["--bf16"] : [];
        CommandLine.Run(["run", .. command, .. type, .. options]).Succeeded();
        Assert.NotEmpty(outputs);
        return outputs;
    }

    private static void Write(
        SafeTensorsFile recorded, string name, string input, RunFiles files, DType? floats)
    {
        string tensor = $"{name}/{input}", path = files[input];
        SafeTensorInfo info = recorded.Tensors[tensor];
        long[] shape = [.. info.Shape];
        DType type = info.DType!.Value;
        if (type is DType.Float32 or DType.Float16) type = floats ?? type;
        switch (type)
        {
            case DType.Bool:
                NpyFile.Write(path, recorded.As<bool>(tensor), shape);
                break;
            case DType.Int64:
                NpyFile.Write(path, recorded.As<long>(tensor), shape);
                break;
            case DType.Float16:
                NpyFile.Write(path, recorded.As<Half>(tensor), shape);
                break;
            case DType.BFloat16:
                files.BFloats(input, Doubles(recorded.ToSingles(tensor)), shape);
                break;
            default:
                files.Floats(input, Doubles(recorded.ToSingles(tensor)), shape);
                break;
        }
    }

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, v => (double)v);
}
