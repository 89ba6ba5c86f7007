namespace Transformer.Models.Text;

/// <summary>Drops the pieces that a unigram model can best do without.</summary>
internal static class UnigramPruning
{
    /// <summary>A model of pieces, ids being their indices.</summary>
    public static UnigramModel Model(List<(string Piece, double Score)> pieces) => new(
        [.. pieces.Select(entry => entry.Piece)], [.. pieces.Select(entry => entry.Score)]);

    /// <summary>Keeps the pieces that cannot be cut, and those whose replacement by their second
    /// best cut would cost most likelihood.</summary>
    /// <param name="pieces">Pieces with log probabilities.</param>
    /// <param name="words">Words of the text.</param>
    /// <param name="size">Pieces to keep.</param>
    public static List<(string Piece, double Score)> Prune(
        List<(string Piece, double Score)> pieces, (string Word, long Count)[] words, int size)
    {
        UnigramModel model = Model(pieces);
        bool[] isKept = new bool[pieces.Count];
        int[][] alternatives = new int[pieces.Count][];
        Parallel.For(0, pieces.Count, i =>
        {
            List<(UnigramEdge[] Path, double Score)> cuts = model.Best(pieces[i].Piece, 2);
            // Whole only: nothing can replace it. Best cut in parts: it is never used.
            isKept[i] = cuts.Count == 1 && cuts[0].Path.Length == 1;
            alternatives[i] = cuts[0].Path.Length == 1 && cuts.Count > 1
                ? [.. cuts[1].Path.Select(edge => edge.Id)] : [];
        });
        double[] uses = new double[pieces.Count];
        double sentences = 0;
        foreach ((string word, long count) in words)
        {
            sentences += count;
            foreach (UnigramEdge edge in model.Best(word))
            {
                if (edge.Id != UnigramModel.Unknown) uses[edge.Id] += count;
            }
        }
        double all = uses.Sum();
        List<(int Index, double Loss)> candidates = [];
        int kept = 0;
        for (int i = 0; i < pieces.Count; i++)
        {
            if (isKept[i]) kept++;
            else if (uses[i] > 0 && alternatives[i].Length > 0)
                candidates.Add((i, Loss(i, alternatives[i], uses, all, sentences)));
        }
        foreach ((int index, _) in candidates
            .OrderByDescending(entry => entry.Loss)
            .ThenBy(entry => pieces[entry.Index].Piece, StringComparer.Ordinal)
            .Take(Math.Max(0, size - kept)))
        {
            isKept[index] = true;
        }
        return [.. pieces.Where((_, i) => isKept[i])];
    }

    /// <summary>How much log likelihood a word loses on average when a piece gives its uses to
    /// the pieces of its second best cut.</summary>
    private static double Loss(
        int piece, int[] alternative, double[] uses, double all, double words)
    {
        double before = Math.Log(uses[piece]) - Math.Log(all);
        double allAfter = Math.Log(all + (uses[piece] * (alternative.Length - 1)));
        double after = 0;
        foreach (int part in alternative)
        {
            double partUses = part == UnigramModel.Unknown ? 0 : uses[part];
            after += Math.Log(partUses + uses[piece]) - allAfter;
        }
        return uses[piece] / words * (before - after);
    }
}
