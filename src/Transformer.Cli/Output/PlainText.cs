using System.Globalization;

namespace Transformer.Cli.Output;

/// <summary>Text of unknown origin on its way to a terminal.</summary>
internal static class PlainText
{
    /// <summary>One line: line ends become blanks, and control characters, which could drive the
    /// terminal, are shown as <c>\u001B</c>.</summary>
    public static string OneLine(string text)
    {
        text = text.ReplaceLineEndings(" ");
        return text.Any(char.IsControl) ? string.Concat(text.Select(Visible)) : text;
    }

    private static string Visible(char letter) => char.IsControl(letter)
        ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)letter:X4}") : $"{letter}";
}
