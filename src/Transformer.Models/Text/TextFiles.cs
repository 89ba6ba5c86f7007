using System.Text;

namespace Transformer.Models.Text;

/// <summary>Reads text files strictly: what is damaged is reported, never guessed.</summary>
public static class TextFiles
{
    private static readonly UTF8Encoding StrictUtf8 =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Lines of a UTF-8 file without line ends (LF or CRLF) and byte order mark.</summary>
    /// <param name="path">File to read whole.</param>
    /// <returns>At least one line; a line end at the end of the file adds none.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is empty, or a line is no valid UTF-8;
    /// the message names file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string[] ReadLines(string path)
    {
        ReadOnlySpan<byte> rest = ReadBytes(path, "text file");
        if (rest.StartsWith("\uFEFF"u8)) rest = rest[3..];
        if (rest.IsEmpty)
            throw new InvalidDataException($"Text file '{path}' is empty; expected lines of text.");

        List<string> lines = new(rest.Count((byte)'\n') + 1);
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line is [.. var start, (byte)'\r']) line = start;
            lines.Add(DecodeLine(line, path, lines.Count + 1));
        }
        return [.. lines];
    }

    /// <summary>A UTF-8 file as it is, but for a byte order mark.</summary>
    /// <param name="path">File to read whole.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is empty, or no valid UTF-8.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string ReadText(string path)
    {
        ReadOnlySpan<byte> bytes = ReadBytes(path, "text file");
        if (bytes.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        if (bytes.IsEmpty)
            throw new InvalidDataException($"Text file '{path}' is empty; expected text.");
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            ReadLines(path); // names the line
            throw;
        }
    }

    /// <summary>Sentence pairs of two files whose lines belong together by number.</summary>
    /// <param name="sourcePath">File of source sentences, one a line.</param>
    /// <param name="targetPath">File of their translations, one a line.</param>
    /// <returns>Pairs [lines] in the order of the files.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is empty or no valid UTF-8, or the numbers
    /// of lines differ.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static (string Source, string Target)[] ReadParallel(
        string sourcePath, string targetPath)
    {
        string[] source = ReadLines(sourcePath);
        string[] target = ReadLines(targetPath);
        if (source.Length != target.Length)
        {
            throw new InvalidDataException(
                $"Parallel text: '{sourcePath}' has {source.Length} lines and '{targetPath}' has " +
                $"{target.Length}; expected equal counts, line n translating line n.");
        }
        return [.. source.Zip(target)];
    }

    /// <summary>Bytes of a file; each way of failing gives one clear line.</summary>
    internal static byte[] ReadBytes(string path, string what)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            throw new IOException($"Cannot read {what} '{path}': it is a folder. Name a file.");
        if (!File.Exists(path))
            throw new FileNotFoundException($"Cannot find {what} '{path}'. Check the path.", path);
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (UnauthorizedAccessException)
        {
            throw new IOException($"Cannot read {what} '{path}': no permission.");
        }
    }

    private static string DecodeLine(ReadOnlySpan<byte> line, string path, int number)
    {
        try
        {
            return StrictUtf8.GetString(line);
        }
        catch (DecoderFallbackException e)
        {
            string bytes = Convert.ToHexString(e.BytesUnknown ?? []);
            throw new InvalidDataException(
                $"Text file '{path}', line {number}: byte 0x{bytes} at offset {e.Index} is no " +
                "valid UTF-8. Convert the file to UTF-8.");
        }
    }
}
