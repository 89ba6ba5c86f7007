using System.Globalization;
using System.Text;
using Transformer.Models.Text.Unicode;

namespace Transformer.Models.Text;

/// <summary>What a tokenizer does to text before it cuts it: steps in the order of the
/// properties. Immutable; safe for many threads.</summary>
internal sealed class TextNormalizer
{
    // What each character of the basic plane becomes where nothing joins it.
    private readonly string?[] _known = new string?[0x10000];

    /// <summary>BERT: drops control characters and U+FFFD; white space becomes a space.</summary>
    public bool CleanText { get; init; }

    /// <summary>SentencePiece: drops control characters; separators, line ends and zero-width
    /// characters become a space.</summary>
    public bool CleanSeparators { get; init; }

    /// <summary>BERT: puts spaces around Chinese characters.</summary>
    public bool SplitChinese { get; init; }

    /// <summary>Unicode normalization form; null: as it is.</summary>
    public NormalizationForm? Form { get; init; }

    /// <summary>Takes characters apart and drops combining marks (category Mn).</summary>
    public bool StripAccents { get; init; }

    /// <summary>Lower case by code point, of no language.</summary>
    public bool Lowercase { get; init; }

    /// <summary>Several spaces become one.</summary>
    public bool CollapseSpaces { get; init; }

    /// <summary>Drops spaces at both ends.</summary>
    public bool Trim { get; init; }

    /// <summary>SentencePiece: what stands for a space, and before the text; null: a space.
    /// </summary>
    public char? SpaceMark { get; init; }

    /// <summary>Whether text stays as it is.</summary>
    public bool IsIdentity => !CleanText && !CleanSeparators && !SplitChinese && Form is null &&
        !StripAccents && !Lowercase && !CollapseSpaces && !Trim && SpaceMark is null;

    /// <summary>The same steps, and marks for spaces after them.</summary>
    public TextNormalizer WithSpaceMark(char mark) => new()
    {
        CleanText = CleanText,
        CleanSeparators = CleanSeparators,
        SplitChinese = SplitChinese,
        Form = Form,
        StripAccents = StripAccents,
        Lowercase = Lowercase,
        CollapseSpaces = CollapseSpaces,
        Trim = Trim,
        SpaceMark = mark,
    };

    /// <summary>Normalises a text without lone surrogates.</summary>
    public AlignedText Apply(ReadOnlySpan<char> text, bool isTracked)
    {
        char space = SpaceMark ?? ' ';
        AlignedText result = new(text.Length + 8, isTracked);
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = SegmentEnd(text, start);
            ReadOnlySpan<char> values = end == start + 1
                ? _known[text[start]] ??= Convert(text[start..end]) : Convert(text[start..end]);
            foreach (char value in values)
            {
                if (value != ' ' && value != space)
                {
                    if (result.Length == 0 && space != ' ') result.Add(space, start, start);
                    result.Add(value, start, end);
                }
                else if (!IsSpare(result, space))
                {
                    result.Add(space, start, end);
                }
            }
        }
        if (Trim)
        {
            int length = result.Text.TrimEnd(space).Length;
            result.Cut(length);
        }
        return result;
    }

    /// <summary>Whether one more space would be dropped.</summary>
    private bool IsSpare(AlignedText result, char space) => result.Length == 0
        ? Trim : CollapseSpaces && result.Text[^1] == space;

    /// <summary>End of the code points that can only be normalised together.</summary>
    private int SegmentEnd(ReadOnlySpan<char> text, int start)
    {
        int end = start + RuneLength(text, start);
        if (Form is null) return end;
        while (end < text.Length)
        {
            Rune.DecodeFromUtf16(text[end..], out Rune rune, out int length);
            if (!UnicodeNormalizer.Joins(rune)) break;
            end += length;
        }
        return end;
    }

    private static int RuneLength(ReadOnlySpan<char> text, int index) =>
        char.IsHighSurrogate(text[index]) && index + 1 < text.Length ? 2 : 1;

    private string Convert(ReadOnlySpan<char> segment)
    {
        StringBuilder text = new(segment.Length);
        foreach (Rune rune in segment.EnumerateRunes())
        {
            if (Clean(rune) is not { } kept) continue;
            bool apart = SplitChinese && IsChinese(kept.Value);
            if (apart) text.Append(' ');
            text.Append(kept.ToString());
            if (apart) text.Append(' ');
        }
        if (Form is { } form) text = new(UnicodeNormalizer.Normalize(text.ToString(), form));
        if (StripAccents)
        {
            text = new(UnicodeNormalizer.Normalize(text.ToString(), Form ??
                NormalizationForm.FormD));
        }
        if (!StripAccents && !Lowercase) return text.ToString();
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.ToString().EnumerateRunes())
        {
            if (StripAccents && Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark)
                continue;
            result.Append(Lowercase ? Lower(rune) : rune.ToString());
        }
        return result.ToString();
    }

    /// <summary>The code point, a space, or null where it is dropped.</summary>
    private Rune? Clean(Rune rune)
    {
        if (CleanText)
        {
            if (rune.Value is '\t' or '\n' or '\r') return new(' ');
            if (rune.Value is 0 or 0xFFFD || Rune.GetUnicodeCategory(rune) is
                UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse)
            {
                return null;
            }
            return Rune.IsWhiteSpace(rune) ? new(' ') : rune;
        }
        if (!CleanSeparators) return rune;
        return rune.Value switch
        {
            (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F => null,
            0x09 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or
                0x2029 or 0x2581 or 0xFEFF or 0xFFFD => new(' '),
            _ => rune,
        };
    }

    /// <summary>Lower case; İ, alone, becomes two code points.</summary>
    private static string Lower(Rune rune) =>
        rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString();

    /// <summary>The blocks of CJK ideographs, not kana nor Hangul.</summary>
    private static bool IsChinese(int code) => code is
        (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or
        (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2CEAF) or
        (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
