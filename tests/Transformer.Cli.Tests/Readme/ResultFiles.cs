using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>The committed results of one machine.</summary>
/// <param name="folder">Where they lie.</param>
internal sealed class ResultFiles(string folder)
{
    /// <summary>Of the machine whose figures the READMEs show, from the repository's root.
    /// </summary>
    public const string Folder = "benchmarks/results/zen4-2core";

    /// <summary>The files that are committed.</summary>
    public static ResultFiles Committed { get; } = new(Path.Combine(Root(), Folder));

    /// <summary>The same measured once more.</summary>
    public static ResultFiles Again { get; } = new(Path.Combine(Root(), Folder, "again"));

    /// <summary>A file's path.</summary>
    public string PathOf(string file) => Path.Combine(folder, file);

    /// <summary>A file's contents; null where nobody has measured them yet.</summary>
    public JsonElement? Find(string file)
    {
        if (!File.Exists(PathOf(file))) return null;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(PathOf(file)));
        return document.RootElement.Clone();
    }

    /// <summary>A file's contents.</summary>
    public JsonElement Read(string file) => Find(file)
        ?? throw new FileNotFoundException($"{PathOf(file)} is not there.");

    /// <summary>A property as text; – where it is not a number.</summary>
    public static string Number(JsonElement row, string name, string format) =>
        Value(row, name) is { } value ? Text(value, format) : "–";

    /// <summary>A property that may be absent or null.</summary>
    public static double? Value(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value) &&
            value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    /// <summary>A number as the pages show it.</summary>
    public static string Text(double value, string format) =>
        value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>The repository.</summary>
    public static string Root([CallerFilePath] string source = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(source)!, "../../.."));
}
