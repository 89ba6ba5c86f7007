using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Transformer.Tests;

/// <summary>Every CPU kernel opens with the same header, in the same order.</summary>
public sealed partial class KernelHeaderTests
{
    private static readonly string[] Order =
    [
        "Formula", "Shapes", "Work", "Registers", "Memory", "Bytes", "Numerics", "Preconditions",
        "Source",
    ];

    // The formula may be the summary; not every kernel has scratch, or a paper behind it.
    private static readonly string[] Required =
        ["Shapes", "Work", "Bytes", "Numerics", "Preconditions"];

    [Fact]
    public void Headers_StateEveryPointInOneOrder()
    {
        string root = Path.GetFullPath(Path.Combine(ThisFile(), "../../../src/Transformer"));
        string[] files = [.. new[] { "Ops", "Numerics" }.SelectMany(folder => Directory
            .EnumerateFiles(Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))];
        int kernels = 0;
        foreach (string file in files)
        {
            string text = File.ReadAllText(file);
            foreach (Match header in Headers().Matches(text))
            {
                string[] labels = [.. Labels().Matches(header.Value)
                    .Select(m => m.Groups["label"].Value)];
                int[] places = [.. labels.Select(label => Array.IndexOf(Order, label))];
                string where = $"{Path.GetFileName(file)}: {string.Join(", ", labels)}";
                Assert.True(places.SequenceEqual(places.Order().Distinct()) && !places.Contains(-1),
                    where);
                if (header.Groups["type"].Value.Contains("IKernel<")) kernels++;
                else if (!Parts().IsMatch(header.Groups["type"].Value)) continue;
                Assert.True(labels.Intersect(Required).Count() == Required.Length, where);
            }

            foreach (Match part in Parts().Matches(text))
            {
                Assert.True(part.Groups["remarks"].Success, $"{part.Groups["name"]}: no header");
            }
        }

        // A reference and a vectorised kernel an op; some of both serve two directions.
        Assert.InRange(kernels, 24, 100);
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    // What a kernel is made of: types that hold loops over work of their own.
    [GeneratedRegex(@"(?<remarks>/// </remarks>\n)?^internal [^\n{(]*(class|struct) " +
        @"(?<name>\w+(Tiles|Writer|Gradient|Lines|Panels|Splits))\b", RegexOptions.Multiline)]
    private static partial Regex Parts();

    [GeneratedRegex(@"/// <remarks>\n(///[^\n]*\n)+(?<type>internal [^{]*)")]
    private static partial Regex Headers();

    [GeneratedRegex(@"^/// (?<label>Formula|Shapes|Work|Memory|Registers|Scratch|Bytes|Traffic|" +
        @"Intensity|Arithmetic|Numerics|Preconditions|Source)[^:\n]{0,20}:",
        RegexOptions.Multiline)]
    private static partial Regex Labels();
}
