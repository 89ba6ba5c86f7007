using System.Collections.Frozen;

namespace Transformer.Models.Text;

/// <summary>Tokens by id and ids by token; knows which ones are special. Immutable.</summary>
internal sealed class Vocabulary
{
    private readonly string[] _tokens;
    private readonly bool[] _isSpecial;
    private readonly FrozenDictionary<string, int> _ids;
    private readonly FrozenDictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    /// <param name="tokens">Distinct tokens, id = index; holds the four special names.</param>
    /// <param name="specialIds">Ids that stand for no text, the four among them.</param>
    public Vocabulary(string[] tokens, IEnumerable<int> specialIds)
    {
        _tokens = tokens;
        _isSpecial = new bool[tokens.Length];
        foreach (int id in specialIds) _isSpecial[id] = true;

        Dictionary<string, int> ids = new(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++) ids.Add(tokens[id], id);
        _ids = ids.ToFrozenDictionary(StringComparer.Ordinal);
        _bySpan = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        Special = new(
            _ids[SpecialTokens.PadName], _ids[SpecialTokens.UnknownName],
            _ids[SpecialTokens.BosName], _ids[SpecialTokens.EosName]);
    }

    /// <summary>A vocabulary whose first tokens are the four special ones, then more of them.
    /// </summary>
    public static Vocabulary WithSpecialTokens(
        IEnumerable<string> pieces, params IReadOnlyList<string> more) =>
        new([.. SpecialTokens.Names, .. more, .. pieces],
            Enumerable.Range(0, SpecialTokens.Names.Count + more.Count));

    public int Count => _tokens.Length;

    public SpecialTokens Special { get; }

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
