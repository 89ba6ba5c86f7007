using System.Globalization;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Cuts text as GPT-2 does before byte-pair encoding, losing nothing.</summary>
/// <remarks>Letters, numbers and other marks apart, each run with the space before it; the
/// contractions 's 't 're 've 'm 'll 'd apart; white space runs leave their last character to the
/// word after them. <see cref="Pattern"/> says the same as a regular expression. Concatenated,
/// the pieces are the text. Merges never cross a piece.</remarks>
internal ref struct ByteLevelSplitter(ReadOnlySpan<char> text)
{
    /// <summary>The rule as GPT-2 states it (Unicode aware, by code point).</summary>
    public const string Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Kind[] KindOfChar = [.. Enumerable.Range(0, 0x10000)
        .Select(c => char.IsSurrogate((char)c) ? Kind.Surrogate : KindOf(new Rune(c)))];

    private readonly ReadOnlySpan<char> _text = text;
    private int _next;

    private enum Kind : byte
    {
        Space,
        Letter,
        Number,
        Other,
        Surrogate,
    }

    public ReadOnlySpan<char> Current { get; private set; }

    public readonly ByteLevelSplitter GetEnumerator() => this;

    public bool MoveNext()
    {
        ReadOnlySpan<char> rest = _text[_next..];
        if (rest.IsEmpty) return false;
        int length = PieceLength(rest);
        Current = rest[..length];
        _next += length;
        return true;
    }

    private static int PieceLength(ReadOnlySpan<char> rest)
    {
        if (rest[0] == '\'' && Contraction(rest) is > 0 and int contraction) return contraction;

        int start = rest[0] == ' ' ? 1 : 0;
        if (start < rest.Length)
        {
            Kind kind = KindAt(rest, start, out int length);
            if (kind != Kind.Space) return RunEnd(rest, start + length, kind);
        }
        int end = RunEnd(rest, 0, Kind.Space);
        // All white space but the last character, which goes with the word that follows.
        return end == rest.Length || end == 1 ? end : end - 1;
    }

    /// <summary>Length of the contraction that starts with the apostrophe; 0 where none.</summary>
    private static int Contraction(ReadOnlySpan<char> rest)
    {
        if (rest.Length < 2) return 0;
        if (rest[1] is 's' or 't' or 'm' or 'd') return 2;
        if (rest.Length < 3) return 0;
        return rest[1..3] is "re" or "ve" or "ll" ? 3 : 0;
    }

    private static int RunEnd(ReadOnlySpan<char> text, int index, Kind kind)
    {
        Kind[] kinds = KindOfChar;
        while (index < text.Length)
        {
            Kind here = kinds[text[index]];
            int length = 1;
            if (here == Kind.Surrogate) here = KindAt(text, index, out length);
            if (here != kind) break;
            index += length;
        }
        return index;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int index, out int length)
    {
        length = 1;
        Kind kind = KindOfChar[text[index]];
        if (kind != Kind.Surrogate) return kind;
        Rune.DecodeFromUtf16(text[index..], out Rune rune, out length);
        return KindOf(rune);
    }

    private static Kind KindOf(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        <= UnicodeCategory.OtherLetter => Kind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or
            UnicodeCategory.OtherNumber => Kind.Number,
        _ => Rune.IsWhiteSpace(rune) ? Kind.Space : Kind.Other,
    };
}
