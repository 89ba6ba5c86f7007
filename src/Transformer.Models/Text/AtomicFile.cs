namespace Transformer.Models.Text;

/// <summary>Files that are either wholly new or wholly old, whatever happens while writing.</summary>
internal static class AtomicFile
{
    /// <summary>Writes <c>path.tmp</c>, flushes it to disk, and renames it to the path.</summary>
    /// <exception cref="IOException">The file cannot be written; the old one is untouched.
    /// </exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new IOException($"Save: '{path}' is a folder. Name a file in it.");
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder && !Directory.Exists(folder))
            throw new IOException($"Save: no folder '{folder}'. Create it first.");
        string temporary = path + ".tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.Create, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (UnauthorizedAccessException)
        {
            throw new IOException($"Save: no permission to write '{path}'. Choose another place.");
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
