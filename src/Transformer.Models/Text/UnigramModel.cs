namespace Transformer.Models.Text;

/// <summary>Pieces with log probabilities, and the ways to cut a text into them.</summary>
/// <remarks>Kudo, "Subword Regularization" (2018). A code point that is no piece is unknown: it
/// scores 10 less than the rarest piece. Ids are indices of the pieces; -1 is unknown. Where
/// two cuts score the same, the one whose last piece is longer wins.</remarks>
internal sealed class UnigramModel
{
    /// <summary>Id of a code point that is no piece.</summary>
    public const int Unknown = -1;

    private const double UnknownPenalty = 10;

    private readonly PieceTrie _trie;
    private readonly double[] _scores;
    private readonly double _unknownScore;

    /// <param name="pieces">Distinct pieces; null for ids that stand for no text.</param>
    /// <param name="scores">Their log probabilities.</param>
    public UnigramModel(IReadOnlyList<string?> pieces, double[] scores)
    {
        (string Piece, int Id)[] known = [.. pieces.Index()
            .Where(entry => entry.Item is not null).Select(entry => (entry.Item!, entry.Index))];
        _trie = new(known);
        _scores = scores;
        _unknownScore =
            known.Select(entry => scores[entry.Id]).DefaultIfEmpty().Min() - UnknownPenalty;
    }

    /// <summary>Log probability of a piece, or of an unknown code point.</summary>
    public double Score(int id) => id == Unknown ? _unknownScore : _scores[id];

    /// <summary>All pieces that begin at a place, as edges to where they end.</summary>
    public void Edges(ReadOnlySpan<char> text, int start, List<UnigramEdge> into)
    {
        int single = start +
            (char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1);
        bool hasSingle = false;
        int node = PieceTrie.Root;
        for (int i = start; i < text.Length; i++)
        {
            node = _trie.Step(node, text[i]);
            if (node == PieceTrie.None) break;
            int id = _trie.IdAt(node);
            if (id == PieceTrie.None) continue;
            into.Add(new(start, i + 1, id));
            hasSingle |= i + 1 == single;
        }
        if (!hasSingle) into.Add(new(start, single, Unknown));
    }

    /// <summary>The most probable cut.</summary>
    public UnigramEdge[] Best(ReadOnlySpan<char> text)
    {
        double[] best = new double[text.Length + 1];
        UnigramEdge[] last = new UnigramEdge[text.Length + 1];
        Array.Fill(best, double.NegativeInfinity);
        best[0] = 0;
        List<UnigramEdge> edges = [];
        for (int start = 0; start < text.Length; start++)
        {
            if (double.IsNegativeInfinity(best[start])) continue;
            edges.Clear();
            Edges(text, start, edges);
            foreach (UnigramEdge edge in edges)
            {
                double score = best[start] + Score(edge.Id);
                if (score > best[edge.End]) (best[edge.End], last[edge.End]) = (score, edge);
            }
        }
        List<UnigramEdge> path = [];
        for (int end = text.Length; end > 0; end = last[end].Start) path.Add(last[end]);
        path.Reverse();
        return [.. path];
    }

    /// <summary>The most probable cuts, best first, with their log probabilities.</summary>
    public List<(UnigramEdge[] Path, double Score)> Best(ReadOnlySpan<char> text, int count)
    {
        List<(double Score, UnigramEdge Edge, int Rank)>[] best = new List<(
            double, UnigramEdge, int)>[text.Length + 1];
        for (int i = 0; i < best.Length; i++) best[i] = [];
        best[0].Add((0, default, 0));
        List<UnigramEdge> edges = [];
        for (int start = 0; start < text.Length; start++)
        {
            if (best[start].Count == 0) continue;
            // All edges to here are known: the best of them go on.
            if (start > 0) Keep(best, start, count);
            edges.Clear();
            Edges(text, start, edges);
            foreach (UnigramEdge edge in edges)
            {
                for (int rank = 0; rank < best[start].Count; rank++)
                    best[edge.End].Add((best[start][rank].Score + Score(edge.Id), edge, rank));
            }
        }
        if (text.Length > 0) Keep(best, text.Length, count);
        List<(UnigramEdge[], double)> paths = [];
        for (int i = 0; i < best[text.Length].Count; i++)
            paths.Add((Trace(best, text.Length, i), best[text.Length][i].Score));
        return paths;
    }

    /// <summary>Adds the expected count of each piece in all cuts of a text, each cut weighing
    /// as it is probable; returns the text's log probability.</summary>
    public double AddExpected(ReadOnlySpan<char> text, double weight, double[] counts)
    {
        List<UnigramEdge> edges = AllEdges(text);
        (double[] forward, double[] backward) = (Logs(text.Length + 1), Logs(text.Length + 1));
        forward[0] = backward[text.Length] = 0;
        foreach (UnigramEdge edge in edges)
        {
            forward[edge.End] =
                AddLogs(forward[edge.End], forward[edge.Start] + Score(edge.Id));
        }
        for (int i = edges.Count - 1; i >= 0; i--)
        {
            UnigramEdge edge = edges[i];
            backward[edge.Start] =
                AddLogs(backward[edge.Start], backward[edge.End] + Score(edge.Id));
        }
        double whole = forward[text.Length];
        foreach (UnigramEdge edge in edges)
        {
            if (edge.Id == Unknown) continue;
            double share = forward[edge.Start] + Score(edge.Id) + backward[edge.End] - whole;
            counts[edge.Id] += weight * Math.Exp(share);
        }
        return whole;
    }

    /// <summary>A cut drawn from all cuts, with probability proportional to p^power: forward
    /// filtering, backward sampling.</summary>
    /// <param name="text">What is cut.</param>
    /// <param name="power">1: as the model says; towards 0: all cuts alike; large: the best.
    /// </param>
    /// <param name="draw">Gives numbers from 0 up to 1.</param>
    public UnigramEdge[] Sample(ReadOnlySpan<char> text, double power, Func<double> draw)
    {
        List<UnigramEdge> edges = AllEdges(text);
        double[] forward = Logs(text.Length + 1);
        forward[0] = 0;
        foreach (UnigramEdge edge in edges)
        {
            forward[edge.End] =
                AddLogs(forward[edge.End], forward[edge.Start] + (power * Score(edge.Id)));
        }
        ILookup<int, UnigramEdge> byEnd = edges.ToLookup(edge => edge.End);
        List<UnigramEdge> path = [];
        for (int end = text.Length; end > 0; end = path[^1].Start)
        {
            double left = draw();
            UnigramEdge chosen = default;
            foreach (UnigramEdge edge in byEnd[end])
            {
                chosen = edge;
                left -= Math.Exp(
                    forward[edge.Start] + (power * Score(edge.Id)) - forward[end]);
                if (left < 0) break;
            }
            path.Add(chosen);
        }
        path.Reverse();
        return [.. path];
    }

    /// <summary>Edges of all places that can be reached, by their beginning.</summary>
    private List<UnigramEdge> AllEdges(ReadOnlySpan<char> text)
    {
        List<UnigramEdge> edges = new(text.Length * 4);
        bool[] reached = new bool[text.Length + 1];
        reached[0] = true;
        for (int start = 0; start < text.Length; start++)
        {
            if (!reached[start]) continue;
            int first = edges.Count;
            Edges(text, start, edges);
            for (int i = first; i < edges.Count; i++) reached[edges[i].End] = true;
        }
        return edges;
    }

    private static void Keep(
        List<(double Score, UnigramEdge Edge, int Rank)>[] best, int place, int count) =>
        best[place] = [.. best[place].OrderByDescending(entry => entry.Score).Take(count)];

    private static UnigramEdge[] Trace(
        List<(double Score, UnigramEdge Edge, int Rank)>[] best, int end, int rank)
    {
        List<UnigramEdge> path = [];
        while (end > 0)
        {
            (_, UnigramEdge edge, int before) = best[end][rank];
            path.Add(edge);
            (end, rank) = (edge.Start, before);
        }
        path.Reverse();
        return [.. path];
    }

    private static double[] Logs(int length)
    {
        double[] values = new double[length];
        Array.Fill(values, double.NegativeInfinity);
        return values;
    }

    private static double AddLogs(double a, double b)
    {
        if (a < b) (a, b) = (b, a);
        return double.IsNegativeInfinity(b) ? a : a + Math.Log(1 + Math.Exp(b - a));
    }
}

/// <summary>A piece at a place of a text.</summary>
/// <param name="Start">Index of its first character.</param>
/// <param name="End">Index after its last one.</param>
/// <param name="Id">Its id, or <see cref="UnigramModel.Unknown"/>.</param>
internal readonly record struct UnigramEdge(int Start, int End, int Id);
