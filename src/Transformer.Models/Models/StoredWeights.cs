using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models;

/// <summary>How a model's weights lie in a safetensors file: its tensors, and what else the same
/// file may hold when other programs wrote it.</summary>
/// <param name="Tensors">All of them, under the names that are written.</param>
internal sealed record StoredWeights(IReadOnlyList<StoredTensor> Tensors)
{
    private const string Remedy = "Use weights and configuration of one model.";

    /// <summary>A name found in a file → the name that it is written under.</summary>
    public Func<string, string> Rename { get; init; } = name => name;

    /// <summary>Names, renamed, of what is no weight and passed over.</summary>
    public Func<string, bool> IsPassedOver { get; init; } = _ => false;

    /// <summary>Names of tensors that may be there and then equal another one.</summary>
    public IReadOnlyDictionary<string, string> Copies { get; init; } =
        new Dictionary<string, string>();

    /// <summary>Writes a weights file, or several, each beside its place, and renames them.
    /// </summary>
    /// <param name="path">The one file.</param>
    /// <param name="format">Noted in the metadata.</param>
    /// <param name="type">Float32, Float16 or BFloat16.</param>
    /// <param name="maxFileBytes">Most bytes of one file; 0: one file.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="IOException">It cannot be written; what was there stays.</exception>
    public IReadOnlyList<string> Save(
        string path, string format, DType type = DType.Float32, long maxFileBytes = 0)
    {
        SafeTensorsWriter writer = new();
        writer.SetMetadata("format", format);
        foreach (StoredTensor tensor in Tensors)
            writer.Add(tensor.Name, type, tensor.Shape.ToArray(), () => tensor.Bytes(type));
        return writer.Write(path, maxFileBytes);
    }

    /// <summary>Replaces all weights by those of a file or of several with their index.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or a tensor is missing, too many, of
    /// another shape or no real type; no weight is changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Load(string path)
    {
        using SafeTensorsSet file = SafeTensorsSet.Open(path);
        Dictionary<string, string> found = Names(file);
        foreach (StoredTensor tensor in Tensors) Require(file, found, tensor);
        HashSet<string> expected = [.. Tensors.Select(t => t.Name)];
        foreach ((string name, string spelled) in found)
        {
            if (expected.Contains(name)) continue;
            if (!Copies.TryGetValue(name, out string? original))
            {
                throw new InvalidDataException($"'{file.Path}': tensor '{spelled}' is not part " +
                    $"of the model that {ModelFolder.ConfigFile} describes. {Remedy}");
            }

            RequireCopy(file, spelled, found[original]);
        }

        foreach (StoredTensor tensor in Tensors) tensor.Write(file.ToSingles(found[tensor.Name]));
    }

    /// <summary>Written name → name in the file.</summary>
    private Dictionary<string, string> Names(SafeTensorsSet file)
    {
        Dictionary<string, string> found = new(StringComparer.Ordinal);
        foreach (string spelled in file.Tensors.Keys.Order(StringComparer.Ordinal))
        {
            string name = Rename(spelled);
            if (IsPassedOver(name)) continue;
            if (!found.TryAdd(name, spelled))
            {
                throw new InvalidDataException($"'{file.Path}' holds both '{found[name]}' and " +
                    $"'{spelled}', two spellings of one tensor. Remove one of them.");
            }
        }

        return found;
    }

    private static void Require(
        SafeTensorsSet file, Dictionary<string, string> found, StoredTensor tensor)
    {
        if (!found.TryGetValue(tensor.Name, out string? spelled))
        {
            throw new InvalidDataException($"'{file.Path}' has no tensor '{tensor.Name}' of " +
                $"shape {tensor.Shape}, which {ModelFolder.ConfigFile} asks for. {Remedy}");
        }

        SafeTensorInfo info = file.Tensors[spelled];
        if (!info.Shape.SequenceEqual(tensor.Shape.ToArray()))
        {
            throw new InvalidDataException($"'{file.Path}': tensor '{spelled}' has shape " +
                $"[{string.Join(", ", info.Shape)}]; {ModelFolder.ConfigFile} asks for " +
                $"{tensor.Shape}. {Remedy}");
        }

        if (info.DType is not (DType.Float32 or DType.Float16 or DType.BFloat16 or DType.Float64))
        {
            throw new InvalidDataException($"'{file.Path}': tensor '{spelled}' has type " +
                $"{info.TypeName}; expected F32, F16, BF16 or F64. Convert it before loading.");
        }
    }

    private static void RequireCopy(SafeTensorsSet file, string copy, string original)
    {
        if (file.Tensors[copy].Shape.SequenceEqual(file.Tensors[original].Shape)
            && file.ToSingles(copy).AsSpan().SequenceEqual(file.ToSingles(original)))
            return;
        throw new InvalidDataException($"'{file.Path}': tensor '{copy}' differs from " +
            $"'{original}'; here the two are one. Use a model that ties them.");
    }
}
