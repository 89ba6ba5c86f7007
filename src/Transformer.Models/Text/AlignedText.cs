namespace Transformer.Models.Text;

/// <summary>Normalised text that knows which part of the original each of its characters comes
/// from.</summary>
/// <param name="capacity">Characters expected.</param>
/// <param name="isTracked">Whether origins are kept.</param>
internal sealed class AlignedText(int capacity, bool isTracked)
{
    private char[] _chars = new char[Math.Max(capacity, 16)];
    private TokenOffset[] _origins = isTracked ? new TokenOffset[Math.Max(capacity, 16)] : [];

    /// <summary>Characters.</summary>
    public int Length { get; private set; }

    /// <summary>The normalised text.</summary>
    public ReadOnlySpan<char> Text => _chars.AsSpan(0, Length);

    /// <summary>Adds a character that comes from a part of the original.</summary>
    public void Add(char value, int start, int end)
    {
        if (Length == _chars.Length)
        {
            Array.Resize(ref _chars, Length * 2);
            if (isTracked) Array.Resize(ref _origins, Length * 2);
        }
        if (isTracked) _origins[Length] = new(start, end);
        _chars[Length++] = value;
    }

    /// <summary>Adds characters that all come from one part of the original.</summary>
    public void Add(ReadOnlySpan<char> values, int start, int end)
    {
        foreach (char value in values) Add(value, start, end);
    }

    /// <summary>Keeps the first characters alone.</summary>
    public void Cut(int length) => Length = length;

    /// <summary>Where the characters from one index up to another come from; an empty place
    /// where there are none.</summary>
    public TokenOffset Origin(int start, int end)
    {
        if (start < end) return new(_origins[start].Start, _origins[end - 1].End);
        int place = start > 0 ? _origins[start - 1].End : 0;
        return new(place, place);
    }
}
