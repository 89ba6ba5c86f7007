using System.Globalization;
using System.Runtime.InteropServices;

namespace Transformer.Models.Interchange;

/// <summary>
/// Writes a file so that, whatever happens, either the old content or the whole new content is
/// found under its name: the new content goes to <c>name.tmp</c>, is flushed to the disk and then
/// renamed over the target. A link stays one: the file that it names is replaced. Devices under
/// <c>/dev</c> are written to.
/// </summary>
public static partial class AtomicFile
{
    /// <summary>Writes <paramref name="path"/> through <paramref name="write"/>.</summary>
    /// <param name="path">The file to create or replace; its folder must exist.</param>
    /// <param name="write">Writes the content, once, to the stream that it is given.</param>
    /// <param name="byteLength">
    /// Bytes that will be written, reserved before the first is; 0 when not known in advance.
    /// </param>
    /// <exception cref="IOException">
    /// The file could not be written, for example because the disk is full. The temporary file is
    /// gone and the old file untouched.
    /// </exception>
    /// <remarks>
    /// Two writers of one path at the same time: the second fails. On Windows a file that is
    /// open or memory-mapped cannot be replaced; dispose its reader first.
    /// </remarks>
    public static void Write(string path, Action<Stream> write, long byteLength = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        ArgumentOutOfRangeException.ThrowIfNegative(byteLength);
        string target = Path.GetFullPath(path);
        if (IsDevice(target))
        {
            using FileStream device = new(target, FileMode.Open, FileAccess.Write);
            write(device);
            return;
        }

        FileInfo link = new(target);
        if (link.LinkTarget is not null)
            target = link.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? target;
        string temporary = target + ".tmp";
        string? folder = Path.GetDirectoryName(target);
        if (Directory.Exists(target))
        {
            throw new IOException(
                $"Could not write '{path}': a folder has this name. Name a file.");
        }

        if (!Directory.Exists(folder))
        {
            throw new IOException(
                $"Could not write '{path}': no folder '{folder}'. Create it first.");
        }

        bool created = false;
        try
        {
            using (FileStream stream = new(temporary, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                Share = FileShare.None,
                PreallocationSize = byteLength,
            }))
            {
                created = true;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception e)
        {
            if (created) TryDelete(temporary);
            if (e is not (IOException or UnauthorizedAccessException)) throw;
            string need = byteLength > 0
                ? string.Create(CultureInfo.InvariantCulture, $" ({byteLength} bytes needed)") : "";
            throw new IOException($"Could not write '{path}'{need}: {e.Message.TrimEnd('.')}. " +
                "Check free space and permissions there.", e);
        }
        FlushFolder(folder);
    }

    private static bool IsDevice(string path) => !OperatingSystem.IsWindows() &&
        path.StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(path);

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The caller learns of the first failure, which is the cause.
        }
    }

    /// <summary>
    /// Makes the rename itself durable. Windows orders it in its journal; elsewhere the folder has
    /// to be flushed, and a file system that refuses loses nothing but that guarantee.
    /// </summary>
    private static void FlushFolder(string? folder)
    {
        if (folder is null || !(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())) return;
        int descriptor = OpenFolder(folder, flags: 0);
        if (descriptor < 0) return;
        _ = Flush(descriptor);
        _ = Close(descriptor);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenFolder(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Flush(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
