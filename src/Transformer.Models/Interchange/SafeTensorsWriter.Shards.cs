using System.Globalization;

namespace Transformer.Models.Interchange;

/// <content>Large models in several files.</content>
public sealed unsafe partial class SafeTensorsWriter
{
    /// <summary>Writes one file or, where its data would pass a size, several named
    /// <c>NAME-00001-of-0000N.safetensors</c> with their index
    /// <c>NAME.safetensors.index.json</c>.</summary>
    /// <param name="path"><c>NAME.safetensors</c>; it is removed where several replace it.</param>
    /// <param name="maxFileBytes">Most bytes of data in one file, which a single larger tensor
    /// passes; 0: one file.</param>
    /// <returns>The files written, the index last.</returns>
    /// <exception cref="ArgumentException">The size is negative, or the name has another end.
    /// </exception>
    /// <exception cref="IOException">A file could not be written.</exception>
    public IReadOnlyList<string> Write(string path, long maxFileBytes)
    {
        const string Extension = ".safetensors";
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (maxFileBytes < 0)
        {
            throw new ArgumentException($"SafeTensorsWriter: 'maxFileBytes' is {maxFileBytes}; " +
                "expected 0 (one file) or more.");
        }

        List<List<Entry>> parts = Cut(maxFileBytes == 0 ? long.MaxValue : maxFileBytes);
        if (parts.Count <= 1)
        {
            Write(path);
            return [path];
        }

        if (!path.EndsWith(Extension, StringComparison.Ordinal))
        {
            throw new ArgumentException(
                $"SafeTensorsWriter: '{path}' does not end in '{Extension}'; several files are " +
                "named after it. Give it that end.");
        }

        List<string> files = [];
        List<(string Tensor, string File)> places = [];
        for (int i = 0; i < parts.Count; i++)
        {
            string file = string.Create(CultureInfo.InvariantCulture,
                $"{path[..^Extension.Length]}-{i + 1:D5}-of-{parts.Count:D5}{Extension}");
            Part(parts[i]).Write(file);
            files.Add(file);
            places.AddRange(parts[i].Select(e => (e.Name, Path.GetFileName(file))));
        }

        files.Add(path + SafeTensorsIndex.Suffix);
        SafeTensorsIndex.Write(files[^1], entries.Sum(e => e.ByteLength), places);
        File.Delete(path);
        return files;
    }

    private List<List<Entry>> Cut(long most)
    {
        List<List<Entry>> parts = [];
        long room = 0;
        foreach (Entry entry in entries)
        {
            if (parts.Count == 0 || entry.ByteLength > room)
            {
                parts.Add([]);
                room = most;
            }

            parts[^1].Add(entry);
            room = Math.Max(0, room - entry.ByteLength);
        }

        return parts;
    }

    private SafeTensorsWriter Part(List<Entry> part)
    {
        SafeTensorsWriter writer = new();
        foreach ((string key, string value) in metadata) writer.metadata.Add(key, value);
        writer.entries.AddRange(part);
        return writer;
    }
}
