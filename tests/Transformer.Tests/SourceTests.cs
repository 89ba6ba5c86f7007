using System.Runtime.CompilerServices;

namespace Transformer.Tests;

/// <summary>Source files stay short and narrow enough to be read side by side.</summary>
public sealed class SourceTests
{
    private const int MostColumns = 100;
    private const int MostLines = 400;

    private static readonly string[] Folders = ["src", "kernels", "tests", "benchmarks"];

    [Fact]
    public void Files_HaveAtMost400LinesOf100Columns()
    {
        string root = Path.GetFullPath(Path.Combine(ThisFile(), "../../.."));
        List<string> findings = [];
        int files = 0;
        foreach (string file in Folders.SelectMany(folder => Directory.EnumerateFiles(
            Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories)))
        {
            string name = Path.GetRelativePath(root, file);
            string[] parts = name.Split(Path.DirectorySeparatorChar);
            if (parts.Contains("bin") || parts.Contains("obj")) continue;
            files++;
            string[] lines = File.ReadAllLines(file);
            if (lines.Length > MostLines) findings.Add($"{name} has {lines.Length} lines");
            findings.AddRange(lines.Index().Where(line => line.Item.Length > MostColumns)
                .Select(line => $"{name}:{line.Index + 1} has {line.Item.Length} columns"));
        }

        Assert.True(findings.Count == 0, string.Join('\n', findings));
        // The search found the sources.
        Assert.True(files > 300, $"only {files} files");
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
