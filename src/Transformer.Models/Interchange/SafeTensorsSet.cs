using System.Collections.ObjectModel;

namespace Transformer.Models.Interchange;

/// <summary>The tensors of one safetensors file, or of the several into which a large model is cut
/// and whose index lies beside them.</summary>
/// <remarks>All files are mapped, as <see cref="SafeTensorsFile"/> tells.</remarks>
public sealed class SafeTensorsSet : IDisposable
{
    private readonly Dictionary<string, SafeTensorsFile> files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafeTensorsFile> owners = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafeTensorInfo> tensors = new(StringComparer.Ordinal);

    private SafeTensorsSet(string path)
    {
        Path = path;
        Tensors = new ReadOnlyDictionary<string, SafeTensorInfo>(tensors);
    }

    /// <summary>The file, or the index.</summary>
    public string Path { get; }

    /// <summary>The tensors by name; offsets count from the start of their own file.</summary>
    public IReadOnlyDictionary<string, SafeTensorInfo> Tensors { get; }

    /// <summary>Opens <c>FILE.safetensors</c> or, where there is none, the files that
    /// <c>FILE.safetensors.index.json</c> names.</summary>
    /// <param name="path">The one file.</param>
    /// <exception cref="FileNotFoundException">There is neither, or a file of the index is
    /// missing.</exception>
    /// <exception cref="InvalidDataException">A header or the index is malformed, or the two
    /// disagree; the message says where.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static SafeTensorsSet Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string index = path + SafeTensorsIndex.Suffix;
        bool several = !File.Exists(path) && File.Exists(index);
        SafeTensorsSet set = new(several ? index : path);
        try
        {
            if (several) set.AddAll(SafeTensorsIndex.Read(index));
            else set.AddAll(SafeTensorsFile.Open(path));
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>A copy of a tensor of any real type, widened or rounded to binary32.</summary>
    /// <exception cref="InvalidDataException">There is no tensor of that name, or it holds no real
    /// numbers.</exception>
    /// <exception cref="NotSupportedException">The tensor has an unsupported element type, or
    /// more elements than an array.</exception>
    /// <exception cref="ObjectDisposedException">The set was disposed.</exception>
    public float[] ToSingles(string name) => Owner(name).ToSingles(name);

    /// <summary>The file that a tensor is in.</summary>
    /// <exception cref="InvalidDataException">There is no tensor of that name.</exception>
    public string PathOf(string name) => Owner(name).Path;

    /// <summary>Releases all mappings.</summary>
    public void Dispose()
    {
        foreach (SafeTensorsFile file in files.Values) file.Dispose();
    }

    private SafeTensorsFile Owner(string name) =>
        owners.TryGetValue(name, out SafeTensorsFile? file)
            ? file
            : throw new InvalidDataException(
                $"'{Path}' has no tensor '{name}'; it holds {owners.Count} others.");

    private void AddAll(SafeTensorsFile file)
    {
        files.Add(file.Path, file);
        foreach (SafeTensorInfo info in file.Tensors.Values) Add(file, info);
    }

    private void AddAll(Dictionary<string, string> places)
    {
        string folder = System.IO.Path.GetDirectoryName(Path) ?? "";
        foreach ((string tensor, string name) in places)
        {
            string path = System.IO.Path.Combine(folder, name);
            if (!files.TryGetValue(path, out SafeTensorsFile? file))
                files.Add(path, file = SafeTensorsFile.Open(path));
            if (!file.Tensors.TryGetValue(tensor, out SafeTensorInfo? info))
                throw SafeTensorsIndex.Bad(Path, $"'{name}' holds no tensor '{tensor}'");
            Add(file, info);
        }

        foreach (SafeTensorsFile file in files.Values)
        {
            string? other = file.Tensors.Keys.Order(StringComparer.Ordinal).FirstOrDefault(
                tensor => owners.GetValueOrDefault(tensor) != file);
            if (other is null) continue;
            throw SafeTensorsIndex.Bad(Path, $"tensor '{other}' of " +
                $"'{System.IO.Path.GetFileName(file.Path)}' is not listed for that file");
        }
    }

    private void Add(SafeTensorsFile file, SafeTensorInfo info)
    {
        owners.Add(info.Name, file);
        tensors.Add(info.Name, info);
    }
}
