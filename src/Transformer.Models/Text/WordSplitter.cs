using System.Globalization;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Cuts text into words and single punctuation marks, without copying.</summary>
/// <remarks>A word is a run of letters, marks, digits and underscores. One apostrophe or hyphen
/// between two runs belongs to the word ("don't", "well-known"), and one full stop, comma or
/// colon between two digits ("1,000.50", "10:30"). Everything else but white space is a mark of
/// its own. <see cref="Pattern"/> says the same as a regular expression.</remarks>
internal ref struct WordSplitter(ReadOnlySpan<char> text)
{
    /// <summary>The rule as tokenizer.json files state it (Unicode aware, by code point).</summary>
    public const string Pattern =
        @"[\p{L}\p{M}\p{N}_]+(?:(?:['’\-]|(?<=\p{N})[.,:](?=\p{N}))[\p{L}\p{M}\p{N}_]+)*|\S";

    private readonly ReadOnlySpan<char> _text = text;
    private int _next;

    public ReadOnlySpan<char> Current { get; private set; }

    /// <summary>Index of the current piece in the text.</summary>
    public readonly int Start => _next - Current.Length;

    public readonly WordSplitter GetEnumerator() => this;

    public bool MoveNext()
    {
        while (_next < _text.Length && char.IsWhiteSpace(_text[_next])) _next++;
        if (_next == _text.Length) return false;

        int start = _next;
        _next += RuneAt(start, out Rune rune);
        if (IsWord(rune)) ExtendWord(rune);
        Current = _text[start.._next];
        return true;
    }

    /// <summary>Moves the end of the current piece to the end of the word.</summary>
    private void ExtendWord(Rune last)
    {
        while (_next < _text.Length)
        {
            int length = RuneAt(_next, out Rune rune);
            if (IsWord(rune))
            {
                _next += length;
            }
            else
            {
                int joined = _next + length;
                if (joined >= _text.Length || !MayJoin(rune)) return;
                int following = RuneAt(joined, out Rune after);
                bool number = Rune.IsNumber(last) && Rune.IsNumber(after);
                if (!IsWord(after) || (rune.Value is '.' or ',' or ':' && !number)) return;
                _next = joined + following;
                rune = after;
            }
            last = rune;
        }
    }

    private readonly int RuneAt(int index, out Rune rune)
    {
        Rune.DecodeFromUtf16(_text[index..], out rune, out int length);
        return length;
    }

    private static bool MayJoin(Rune rune) =>
        rune.Value is '\'' or '’' or '-' or '.' or ',' or ':';

    private static bool IsWord(Rune rune) =>
        rune.Value == '_' || Rune.GetUnicodeCategory(rune) is
            <= UnicodeCategory.OtherLetter or
            UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or
            UnicodeCategory.EnclosingMark or UnicodeCategory.DecimalDigitNumber or
            UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
}
