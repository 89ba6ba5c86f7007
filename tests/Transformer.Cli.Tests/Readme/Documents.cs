namespace Transformer.Cli.Tests.Readme;

/// <summary>The project's pages.</summary>
internal static class Documents
{
    private static readonly string[] NotOurs = ["bin", "obj", "artifacts", "node_modules"];

    /// <summary>Paths of all Markdown files from the repository's root, sorted.</summary>
    public static IEnumerable<string> All() =>
        Directory.EnumerateFiles(ResultFiles.Root(), "*.md", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(ResultFiles.Root(), file))
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(
                part => NotOurs.Contains(part) || part.StartsWith('.')))
            .Order(StringComparer.Ordinal);
}
