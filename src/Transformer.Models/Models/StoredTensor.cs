using System.Runtime.InteropServices;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>One tensor of a model's weights file.</summary>
/// <param name="Name">As the file spells it.</param>
/// <param name="Shape">As the file has it.</param>
/// <param name="Read">Takes its numbers from the model.</param>
/// <param name="Write">Gives the model its numbers.</param>
internal sealed record StoredTensor(
    string Name, TensorShape Shape, Func<float[]> Read, Action<float[]> Write)
{
    /// <summary>A parameter under its own name.</summary>
    public static StoredTensor Of(Parameter parameter) => new(
        parameter.Name, parameter.Shape, () => Values(parameter),
        values => parameter.CopyFrom(values));

    /// <summary>The numbers of a parameter.</summary>
    public static float[] Values(Parameter parameter)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.CopyTo(values);
        return values;
    }

    /// <summary>Writes a weights file beside its place and renames it.</summary>
    /// <exception cref="IOException">It cannot be written; what was there stays.</exception>
    public static void Save(string path, string format, IEnumerable<StoredTensor> tensors)
    {
        SafeTensorsWriter writer = new();
        writer.SetMetadata("format", format);
        foreach (StoredTensor tensor in tensors)
        {
            writer.Add(tensor.Name, DType.Float32, tensor.Shape.ToArray(),
                () => MemoryMarshal.AsBytes<float>(tensor.Read()));
        }

        writer.Write(path);
    }

    /// <summary>Replaces all weights by those of a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many or
    /// of another shape; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static void Load(string path, IReadOnlyCollection<StoredTensor> tensors)
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        HashSet<string> expected = [];
        foreach (StoredTensor tensor in tensors)
        {
            expected.Add(tensor.Name);
            tensor.Require(file);
        }

        foreach (string name in file.Tensors.Keys.Order(StringComparer.Ordinal))
        {
            if (expected.Contains(name)) continue;
            throw new InvalidDataException($"'{path}': tensor '{name}' is not part of the model " +
                $"that {ModelFolder.ConfigFile} describes. Use weights and configuration of one " +
                "model.");
        }

        foreach (StoredTensor tensor in tensors) tensor.Write(file.ToSingles(tensor.Name));
    }

    private void Require(SafeTensorsFile file)
    {
        if (!file.Tensors.TryGetValue(Name, out SafeTensorInfo? info))
        {
            throw new InvalidDataException($"'{file.Path}' has no tensor '{Name}' of shape " +
                $"{Shape}, which {ModelFolder.ConfigFile} asks for. Use weights and " +
                "configuration of one model.");
        }

        if (!info.Shape.SequenceEqual(Shape.ToArray()))
        {
            throw new InvalidDataException($"'{file.Path}': tensor '{Name}' has shape " +
                $"[{string.Join(", ", info.Shape)}]; {ModelFolder.ConfigFile} asks for {Shape}. " +
                "Use weights and configuration of one model.");
        }
    }
}
