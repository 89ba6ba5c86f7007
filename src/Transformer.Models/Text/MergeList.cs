namespace Transformer.Models.Text;

/// <summary>Merges as they are read from a file, checked one by one.</summary>
internal sealed class MergeList(Vocabulary vocabulary, int capacity = 0)
{
    private readonly List<BytePairMerge> _merges = new(capacity);
    private readonly HashSet<ulong> _seen = new(capacity);

    /// <summary>Merges added.</summary>
    public int Count => _merges.Count;

    /// <summary>Adds a merge, or says what is wrong with it.</summary>
    public string? Add(ReadOnlySpan<string> parts)
    {
        if (parts is not [{ Length: > 0 } left, { Length: > 0 } right])
            return "that is not a pair of pieces.";
        Span<int> ids = stackalloc int[3];
        string[] pieces = [left, right, left + right];
        for (int i = 0; i < ids.Length; i++)
        {
            if (!vocabulary.TryGetPiece(pieces[i], out ids[i]))
                return $"that names the unknown piece '{pieces[i]}'.";
        }
        if (!_seen.Add(PairQueue.Key(ids[0], ids[1]))) return $"'{left} {right}' a second time.";
        _merges.Add(new(ids[0], ids[1], ids[2]));
        return null;
    }

    /// <summary>The merges in the order added.</summary>
    public BytePairMerge[] ToArray() => [.. _merges];
}
