using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>The CUDA C that the assembly carries where it was built without a compiler for it.
/// </summary>
/// <remarks>Resources are named source/FILE; file names are unique.</remarks>
internal static class KernelSources
{
    private const string Prefix = "source/";
    private const string Include = "#include \"";

    /// <summary>True when the assembly carries sources.</summary>
    public static bool Any => typeof(KernelSources).Assembly.GetManifestResourceNames()
        .Any(name => name.StartsWith(Prefix, StringComparison.Ordinal));

    /// <summary>A file with all that it includes, as one text; null where there is no such file.
    /// </summary>
    public static string? Read(string file) => Join(file + ".cu", Resource);

    /// <summary>Puts every included file in the place of its first inclusion.</summary>
    /// <param name="file">The first file's name.</param>
    /// <param name="read">Text of a file by its name without folders; null where there is none:
    /// the inclusion then stays.</param>
    internal static string? Join(string file, Func<string, string?> read)
    {
        if (read(file) is not { } first) return null;
        StringBuilder text = new();
        Append(first, [file]);
        return text.ToString();

        void Append(string content, HashSet<string> seen)
        {
            foreach (string line in content.Split('\n'))
            {
                string name = Included(line);
                if (name.Length == 0 || read(name) is not { } inner)
                {
                    if (line.Trim() != "#pragma once") text.Append(line).Append('\n');
                }
                else if (seen.Add(name))
                {
                    Append(inner, seen);
                }
            }
        }
    }

    private static string Included(string line)
    {
        if (!line.StartsWith(Include, StringComparison.Ordinal)) return "";
        string path = line[Include.Length..line.LastIndexOf('"')];
        return path[(path.LastIndexOf('/') + 1)..];
    }

    private static string? Resource(string name)
    {
        using Stream? stream =
            typeof(KernelSources).Assembly.GetManifestResourceStream(Prefix + name);
        if (stream is null) return null;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
