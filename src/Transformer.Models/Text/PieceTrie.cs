namespace Transformer.Models.Text;

/// <summary>Finds all pieces that a text begins with, character by character. Immutable.
/// </summary>
/// <remarks>Nodes are numbers, 0 the root; a table with open addressing leads from node and
/// character to the next node.</remarks>
internal sealed class PieceTrie
{
    /// <summary>The node before the first character.</summary>
    public const int Root = 0;

    /// <summary>Where no piece goes on.</summary>
    public const int None = -1;

    private const ulong Multiplier = 0x9E37_79B9_7F4A_7C15;

    private readonly List<int> _idOfNode = [None];
    private ulong[] _keys = new ulong[1 << 10];
    private int[] _next = new int[1 << 10];

    /// <param name="pieces">Distinct pieces, not empty, with their ids.</param>
    public PieceTrie(IEnumerable<(string Piece, int Id)> pieces)
    {
        foreach ((string piece, int id) in pieces)
        {
            int node = Root;
            foreach (char c in piece) node = GetOrAdd(node, c);
            _idOfNode[node] = id;
        }
    }

    /// <summary>The node after a character; <see cref="None"/> where no piece goes on so.
    /// </summary>
    public int Step(int node, char c)
    {
        ulong key = Key(node, c);
        int mask = _keys.Length - 1;
        for (int slot = Slot(key); ; slot = (slot + 1) & mask)
        {
            ulong there = _keys[slot];
            if (there == key) return _next[slot];
            if (there == 0) return None;
        }
    }

    /// <summary>Id of the piece that ends at a node; <see cref="None"/> where none does.
    /// </summary>
    public int IdAt(int node) => _idOfNode[node];

    /// <summary>The longest piece that a text begins with; false where there is none.</summary>
    public bool TryLongest(ReadOnlySpan<char> text, out int id, out int length)
    {
        (id, length) = (None, 0);
        int node = Root;
        for (int i = 0; i < text.Length; i++)
        {
            node = Step(node, text[i]);
            if (node == None) break;
            if (_idOfNode[node] != None) (id, length) = (_idOfNode[node], i + 1);
        }
        return id != None;
    }

    // Never 0, which marks an empty place.
    private static ulong Key(int node, char c) => ((ulong)(uint)(node + 1) << 16) | c;

    private int Slot(ulong key) => (int)((key * Multiplier) >> 32) & (_keys.Length - 1);

    private int GetOrAdd(int node, char c)
    {
        int next = Step(node, c);
        if (next != None) return next;
        if (_idOfNode.Count * 2 > _keys.Length) Grow();
        next = _idOfNode.Count;
        _idOfNode.Add(None);
        Put(Key(node, c), next);
        return next;
    }

    private void Grow()
    {
        (ulong[] keys, int[] next) = (_keys, _next);
        (_keys, _next) = (new ulong[keys.Length * 2], new int[keys.Length * 2]);
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != 0) Put(keys[i], next[i]);
        }
    }

    private void Put(ulong key, int next)
    {
        int slot = Slot(key);
        while (_keys[slot] != 0) slot = (slot + 1) & (_keys.Length - 1);
        (_keys[slot], _next[slot]) = (key, next);
    }
}
