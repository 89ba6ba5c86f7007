using System.Text;
using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

public sealed class TextFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\r\nb", "a|b")]
    [InlineData("\uFEFFЯ\n\n\r\nя\r\n", "Я|||я")]
    [InlineData("\n", "")]
    [InlineData("a\rb", "a\rb")]
    public void ReadLines_CutsLineEndsAndMark(string content, string expected)
    {
        string path = _folder.Write("t.txt", Encoding.UTF8.GetBytes(content));
        Assert.Equal(expected.Split('|'), TextFiles.ReadLines(path));
    }

    [Fact]
    public void ReadLines_ThrowsOnMissingFileFolderAndEmptyFile()
    {
        string missing = _folder["none.txt"];
        Assert.Equal(
            $"Cannot find text file '{missing}'. Check the path.",
            Assert.Throws<FileNotFoundException>(() => TextFiles.ReadLines(missing)).Message);
        string folder = Path.GetDirectoryName(missing)!;
        Assert.Equal(
            $"Cannot read text file '{folder}': it is a folder. Name a file.",
            Assert.Throws<IOException>(() => TextFiles.ReadLines(folder)).Message);
        foreach (byte[] content in (byte[][])[[], [0xEF, 0xBB, 0xBF]])
        {
            string empty = _folder.Write("empty.txt", content);
            Assert.Equal(
                $"Text file '{empty}' is empty; expected lines of text.",
                Assert.Throws<InvalidDataException>(() => TextFiles.ReadLines(empty)).Message);
        }
    }

    [Fact]
    public void ReadLines_NamesTheLineThatIsNoUtf8()
    {
        string path = _folder.Write("t.txt", [.. "ok\nno "u8, 0xFF, .. "\nok"u8]);
        InvalidDataException e =
            Assert.Throws<InvalidDataException>(() => TextFiles.ReadLines(path));
        Assert.Equal(
            $"Text file '{path}', line 2: byte 0xFF at offset 3 is no valid UTF-8. Convert the " +
            "file to UTF-8.",
            e.Message);
        // A character cut off by the line's end is no valid UTF-8 either.
        string cut = _folder.Write("cut.txt", [(byte)'a', 0xD0, (byte)'\n', 0xAF]);
        Assert.Contains("line 1", Assert.Throws<InvalidDataException>(
            () => TextFiles.ReadLines(cut)).Message);
    }

    [Fact]
    public void ReadParallel_PairsLines()
    {
        string source = _folder.Write("s.txt", "I am\nyou are\n");
        string target = _folder.Write("t.txt", "я\r\nты");
        Assert.Equal(
            [("I am", "я"), ("you are", "ты")], TextFiles.ReadParallel(source, target));
    }

    [Fact]
    public void ReadParallel_ThrowsOnDifferentCounts()
    {
        string source = _folder.Write("s.txt", "a\nb\nc\n");
        string target = _folder.Write("t.txt", "a\nb\n");
        InvalidDataException e =
            Assert.Throws<InvalidDataException>(() => TextFiles.ReadParallel(source, target));
        Assert.Equal(
            $"Parallel text: '{source}' has 3 lines and '{target}' has 2; expected equal " +
            "counts, line n translating line n.",
            e.Message);
    }
}
