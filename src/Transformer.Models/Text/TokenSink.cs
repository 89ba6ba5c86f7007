using System.Buffers;

namespace Transformer.Models.Text;

/// <summary>Receives the tokens of one text, in memory that texts take turns with.</summary>
/// <param name="capacity">Tokens expected.</param>
/// <param name="wantsOffsets">Whether places are kept too.</param>
internal sealed class TokenSink(int capacity, bool wantsOffsets) : IDisposable
{
    private readonly List<TokenOffset>? _offsets = wantsOffsets ? new(capacity) : null;
    private int[] _ids = ArrayPool<int>.Shared.Rent(Math.Max(capacity, 4));

    /// <summary>Tokens received.</summary>
    public int Count { get; private set; }

    /// <summary>Whether <see cref="AddOffset"/> must follow each token.</summary>
    public bool WantsOffsets => _offsets is not null;

    /// <summary>Place in the whole text of the part being encoded.</summary>
    public int Shift { get; set; }

    /// <summary>Adds a token that spans part of the text.</summary>
    public void Add(int id, int start, int end)
    {
        Add(id);
        if (WantsOffsets) AddOffset(start, end);
    }

    /// <summary>Adds a token; its offset follows where offsets are wanted.</summary>
    public void Add(int id)
    {
        if (Count == _ids.Length) Grow(Count + 1);
        _ids[Count++] = id;
    }

    /// <summary>Adds tokens; their offsets follow where they are wanted.</summary>
    public void AddRange(ReadOnlySpan<int> ids)
    {
        if (ids.Length > _ids.Length - Count) Grow(Count + ids.Length);
        ids.CopyTo(_ids.AsSpan(Count));
        Count += ids.Length;
    }

    /// <summary>Adds the place of the next token that has none.</summary>
    public void AddOffset(int start, int end) =>
        _offsets!.Add(new(start + Shift, end + Shift));

    /// <summary>The ids received.</summary>
    public int[] ToIds() => _ids[..Count];

    /// <summary>Ids and places received.</summary>
    public TokenizedText ToText() => new(ToIds(), _offsets ?? []);

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(_ids);
        _ids = [];
    }

    private void Grow(int needed)
    {
        int[] larger = ArrayPool<int>.Shared.Rent(Math.Max(needed, Count * 2));
        _ids.AsSpan(0, Count).CopyTo(larger);
        ArrayPool<int>.Shared.Return(_ids);
        _ids = larger;
    }
}
