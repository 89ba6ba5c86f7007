using System.Buffers;
using System.Collections.Frozen;

namespace Transformer.Models.Text;

/// <summary>Tokens by id and ids by token; knows which ones are special. Immutable.</summary>
internal sealed class Vocabulary
{
    private readonly string[] _tokens;
    private readonly bool[] _isSpecial;
    private readonly SearchValues<string> _specialNames;
    private readonly FrozenDictionary<string, int> _ids;
    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    /// <param name="tokens">Distinct tokens, id = index.</param>
    /// <param name="specialIds">Ids that stand for no text, those of the roles among them.
    /// </param>
    /// <param name="special">Ids of the roles.</param>
    public Vocabulary(string[] tokens, IEnumerable<int> specialIds, SpecialTokens special)
    {
        _tokens = tokens;
        _isSpecial = new bool[tokens.Length];
        foreach (int id in specialIds) _isSpecial[id] = true;

        Dictionary<string, int> ids = new(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++) ids.Add(tokens[id], id);
        _ids = ids.ToFrozenDictionary(StringComparer.Ordinal);
        _bySpan = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        Special = special;
        _specialNames = SearchValues.Create(
            [.. SpecialNames.Where(name => name.Length > 0)], StringComparison.Ordinal);
    }

    /// <summary>A vocabulary whose first tokens are the four special ones, then more of them.
    /// </summary>
    public static Vocabulary WithSpecialTokens(
        IEnumerable<string> pieces, params IReadOnlyList<string> more) =>
        new([.. SpecialTokens.Names, .. more, .. pieces],
            Enumerable.Range(0, SpecialTokens.Names.Count + more.Count), SpecialTokens.Default);

    /// <summary>Finds the first name of a special token in a text, the longest one there.
    /// </summary>
    public bool FindSpecial(ReadOnlySpan<char> text, out int start, out int id)
    {
        id = -1;
        start = text.IndexOfAny(_specialNames);
        if (start < 0) return false;
        for (int candidate = 0; candidate < Count; candidate++)
        {
            if (_isSpecial[candidate] && text[start..].StartsWith(_tokens[candidate]) &&
                (id < 0 || _tokens[candidate].Length > _tokens[id].Length))
            {
                id = candidate;
            }
        }
        return true;
    }

    public int Count => _tokens.Length;

    public SpecialTokens Special { get; }

    /// <summary>Names of the special tokens.</summary>
    public IEnumerable<string> SpecialNames => _tokens.Where((_, id) => _isSpecial[id]);

    public string this[int id] => _tokens[id];

    public bool IsSpecial(int id) => _isSpecial[id];

    public int Id(string token) => _ids.GetValueOrDefault(token, Special.Unknown);

    /// <summary>Id of a piece of text: never a special one but <c>&lt;unk&gt;</c>.</summary>
    public int IdOfText(ReadOnlySpan<char> piece) =>
        _bySpan.TryGetValue(piece, out int id) && !_isSpecial[id] ? id : Special.Unknown;

    /// <summary>Finds a token that stands for text.</summary>
    public bool TryGetPiece(ReadOnlySpan<char> piece, out int id) =>
        _bySpan.TryGetValue(piece, out id) && !_isSpecial[id];
}
