using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models;

/// <content>Folders with a model in them.</content>
public sealed partial class Seq2SeqTransformer
{
    /// <summary>Name of the configuration in a model's folder.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>Name of the weights in a model's folder.</summary>
    public const string WeightsFile = "model.safetensors";

    /// <summary>Writes config.json and model.safetensors, each beside its place first.</summary>
    /// <param name="folder">Created where it is missing.</param>
    /// <exception cref="IOException">A file cannot be written; what was there stays.</exception>
    public void Save(string folder)
    {
        CreateFolder(folder);
        SafeTensorsWriter writer = new();
        writer.SetMetadata("format", "transformer.seq2seq");
        foreach (Parameter parameter in Stored())
        {
            float[] values = new float[parameter.Shape.ElementCount];
            writer.Add(parameter.Name, DType.Float32, parameter.Shape.ToArray(), () =>
            {
                parameter.CopyTo(values);
                return System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values);
            });
        }

        writer.Write(Path.Combine(folder, WeightsFile));
        Config.Save(Path.Combine(folder, ConfigFile));
    }

    /// <summary>Reads a model that <see cref="Save"/> wrote.</summary>
    /// <param name="folder">With config.json and model.safetensors.</param>
    /// <param name="backend">What the model runs on.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the weights do not fit the
    /// configuration; the message names file and tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Seq2SeqTransformer Load(string folder, Backend backend)
    {
        RequireFolder(folder);
        Seq2SeqTransformer model =
            new(Seq2SeqConfig.Load(Path.Combine(folder, ConfigFile)), backend, seed: 0);
        try
        {
            model.LoadWeights(Path.Combine(folder, WeightsFile));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <param name="path">A safetensors file with exactly this model's tensors, of any real type.
    /// </param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void LoadWeights(string path)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        HashSet<string> expected = [];
        foreach (Parameter parameter in Stored())
        {
            expected.Add(parameter.Name);
            RequireTensor(file, parameter);
        }

        foreach (string name in file.Tensors.Keys.Order(StringComparer.Ordinal))
        {
            if (expected.Contains(name)) continue;
            throw new InvalidDataException($"'{path}': tensor '{name}' is not part of the model " +
                $"that {ConfigFile} describes. Use weights and configuration of one model.");
        }

        foreach (Parameter parameter in Stored())
            parameter.CopyFrom(file.ToSingles(parameter.Name));
    }

    /// <summary>Makes a folder for a model, if it is missing.</summary>
    internal static void CreateFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot create model folder '{folder}': {e.Message}", e);
        }
    }

    /// <summary>Says so where a model's folder is missing.</summary>
    internal static void RequireFolder(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (Directory.Exists(folder)) return;
        throw new FileNotFoundException(
            $"Cannot find model folder '{folder}'. Train a model, or check the path.", folder);
    }

    /// <summary>What training changes; constant position tables follow from the configuration.
    /// </summary>
    private IEnumerable<Parameter> Stored() => Parameters.All.Where(p => p.Trainable);

    private static void RequireTensor(SafeTensorsFile file, Parameter parameter)
    {
        if (!file.Tensors.TryGetValue(parameter.Name, out SafeTensorInfo? info))
        {
            throw new InvalidDataException($"'{file.Path}' has no tensor '{parameter.Name}' of " +
                $"shape {parameter.Shape}, which {ConfigFile} asks for. Use weights and " +
                "configuration of one model.");
        }

        if (!info.Shape.SequenceEqual(parameter.Shape.ToArray()))
        {
            throw new InvalidDataException($"'{file.Path}': tensor '{parameter.Name}' has shape " +
                $"[{string.Join(", ", info.Shape)}]; {ConfigFile} asks for {parameter.Shape}. " +
                "Use weights and configuration of one model.");
        }
    }
}
