namespace Transformer.Cli.Output;

/// <summary>Checks of the files that a command will write, before the work whose results they
/// hold.</summary>
internal static class OutputFile
{
    /// <summary>Requires a path where a file can be made; null passes.</summary>
    /// <param name="option">The option that names it, for messages.</param>
    /// <param name="path">The path.</param>
    /// <exception cref="IOException">It is a folder, or its folder is not there.</exception>
    public static void Require(string option, string? path)
    {
        if (path is null) return;
        if (Directory.Exists(path))
            throw new IOException($"{option} '{path}' is a folder. Name a file.");
        string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (folder is not null && !Directory.Exists(folder))
        {
            throw new IOException(
                $"{option} '{path}': there is no folder '{folder}'. Create it first.");
        }
    }
}
