using System.Text.RegularExpressions;

namespace Transformer.Models.Text;

/// <summary>The tokenization 13a of mteval-v13a.pl as sacreBLEU does it.</summary>
/// <remarks>NIST's script mteval-v13a.pl, language-dependent part; Post, "A Call for Clarity in
/// Reporting BLEU Scores" (2018). Marks are cut off, full stops and commas stay inside numbers
/// only, a hyphen is cut off after a digit.</remarks>
public static partial class Bleu13aTokenizer
{
    /// <summary>Cuts a sentence into the tokens that BLEU counts.</summary>
    /// <param name="sentence">Plain, detokenized text.</param>
    /// <returns>Tokens [count]; none for blank text.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="sentence"/> is null.</exception>
    public static string[] Tokenize(string sentence)
    {
        ArgumentNullException.ThrowIfNull(sentence);
        string line = sentence[..LengthWithoutTail(sentence)]
            .Replace("<skipped>", "", StringComparison.Ordinal)
            .Replace("-\n", "", StringComparison.Ordinal)
            .Replace('\n', ' ');
        if (line.Contains('&'))
        {
            line = line
                .Replace("&quot;", "\"", StringComparison.Ordinal)
                .Replace("&amp;", "&", StringComparison.Ordinal)
                .Replace("&lt;", "<", StringComparison.Ordinal)
                .Replace("&gt;", ">", StringComparison.Ordinal);
        }
        line = Marks().Replace($" {line} ", " $1 ");
        line = PointAfterNonDigit().Replace(line, "$1 $2 ");
        line = PointBeforeNonDigit().Replace(line, " $1 $2");
        line = HyphenAfterDigit().Replace(line, "$1 $2 ");
        return SplitAtSpace(line);
    }

    // ASCII punctuation except ' - . and ,
    [GeneratedRegex(@"([{-~[-` -&(-+:-@/])", RegexOptions.CultureInvariant)]
    private static partial Regex Marks();

    [GeneratedRegex(@"([^0-9])([.,])", RegexOptions.CultureInvariant)]
    private static partial Regex PointAfterNonDigit();

    [GeneratedRegex(@"([.,])([^0-9])", RegexOptions.CultureInvariant)]
    private static partial Regex PointBeforeNonDigit();

    [GeneratedRegex(@"([0-9])(-)", RegexOptions.CultureInvariant)]
    private static partial Regex HyphenAfterDigit();

    private static int LengthWithoutTail(string text)
    {
        int length = text.Length;
        while (length > 0 && IsSpace(text[length - 1])) length--;
        return length;
    }

    private static string[] SplitAtSpace(string line)
    {
        List<string> tokens = [];
        for (int start = 0, i = 0; i <= line.Length; i++)
        {
            if (i < line.Length && !IsSpace(line[i])) continue;
            if (i > start) tokens.Add(line[start..i]);
            start = i + 1;
        }
        return [.. tokens];
    }

    /// <summary>White space as Python's str.split takes it: four separators more than .NET.
    /// </summary>
    private static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F';
}
