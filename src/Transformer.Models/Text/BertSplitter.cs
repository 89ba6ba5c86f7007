using System.Globalization;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Cuts text as BERT does: at white space, and each punctuation mark apart.</summary>
/// <remarks>Marks are those of Unicode's categories P and all of ASCII that is neither letter,
/// digit nor control ($, +, ^ among them).</remarks>
internal ref struct BertSplitter(ReadOnlySpan<char> text)
{
    private readonly ReadOnlySpan<char> _text = text;
    private int _next;

    private enum Kind
    {
        Space,
        Mark,
        Word,
    }

    public ReadOnlySpan<char> Current { get; private set; }

    /// <summary>Index of the current piece in the text.</summary>
    public readonly int Start => _next - Current.Length;

    public readonly BertSplitter GetEnumerator() => this;

    public bool MoveNext()
    {
        Kind kind = Kind.Space;
        int start = _next;
        for (; start < _text.Length; start = _next)
        {
            kind = KindAt(start, out int length);
            _next = start + length;
            if (kind != Kind.Space) break;
        }
        if (start >= _text.Length) return false;
        while (kind == Kind.Word && _next < _text.Length &&
            KindAt(_next, out int length) == Kind.Word)
        {
            _next += length;
        }
        Current = _text[start.._next];
        return true;
    }

    private readonly Kind KindAt(int index, out int length)
    {
        char c = _text[index];
        length = 1;
        if (char.IsAscii(c))
        {
            return char.IsAsciiLetterOrDigit(c) ? Kind.Word
                : c > ' ' && c < 0x7F ? Kind.Mark
                : char.IsWhiteSpace(c) ? Kind.Space : Kind.Word;
        }
        Rune.DecodeFromUtf16(_text[index..], out Rune rune, out length);
        if (Rune.IsWhiteSpace(rune)) return Kind.Space;
        return Rune.GetUnicodeCategory(rune) is
            >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation
            ? Kind.Mark : Kind.Word;
    }
}
