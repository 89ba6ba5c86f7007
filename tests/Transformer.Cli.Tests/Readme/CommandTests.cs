using System.CommandLine;
using System.Text;

namespace Transformer.Cli.Tests.Readme;

/// <summary>Every command that a page shows is one that the program takes: its name, its options,
/// and their values.</summary>
public sealed class CommandTests
{
    private const string Project = "dotnet run -c Release --project src/Transformer.Cli -- ";
    private const string Tool = "transformer ";

    public static TheoryData<string> Pages => [.. Documents.All().Where(
        page => Commands(Lines(page)).Any())];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Commands_AreThoseOfTheProgram(string page)
    {
        foreach (string command in Commands(Lines(page)))
        {
            ParseResult parsed = Application.CreateRoot().Parse(Words(command));
            Assert.True(parsed.Errors.Count == 0,
                $"{page}: {command}: {string.Join(' ', parsed.Errors.Select(e => e.Message))}");
        }
    }

    [Fact]
    public void Pages_ShowCommands() =>
        Assert.InRange(Documents.All().Sum(page => Commands(Lines(page)).Count()), 30, 1000);

    [Fact]
    public void Words_AreCutAsAShellCutsThem() => Assert.Equal(
        ["run", "a b", "--out", "x"], Words("run \"a b\" --out x   # in a second"));

    private static string[] Lines(string page) =>
        File.ReadAllLines(Path.Combine(ResultFiles.Root(), page));

    /// <summary>What stands in blocks of code, lines that go on joined.</summary>
    private static IEnumerable<string> Commands(string[] lines)
    {
        bool isCode = false;
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.StartsWith("```", StringComparison.Ordinal)) isCode = !isCode;
            while (isCode && line.EndsWith('\\') && i + 1 < lines.Length)
                line = line[..^1] + lines[++i].Trim();
            foreach (string start in (string[])[Project, Tool])
            {
                if (isCode && line.StartsWith(start, StringComparison.Ordinal))
                    yield return line[start.Length..];
            }
        }
    }

    private static List<string> Words(string command)
    {
        List<string> words = [];
        StringBuilder? word = null;
        bool quoted = false;
        foreach (char c in command + " ")
        {
            if (c == '#' && word is null) break;
            if (c == '"')
            {
                quoted = !quoted;
                word ??= new();
            }
            else if (c == ' ' && !quoted)
            {
                if (word is not null) words.Add(word.ToString());
                word = null;
            }
            else
            {
                (word ??= new()).Append(c);
            }
        }

        return words;
    }
}
