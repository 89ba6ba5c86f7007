using System.Runtime.CompilerServices;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>Applies merges to one piece of text: the earliest learnt pair first, leftmost first.
/// </summary>
/// <remarks>Short pieces, nearly all, are scanned for the best pair after each merge, O(n²) with
/// a tiny constant; long ones go through a heap over a linked list, O(n log n).</remarks>
internal sealed class BytePairMerger
{
    /// <summary>Where scanning and the heap take about the same time.</summary>
    private const int LongestScan = 96;

    private const int NoMerge = int.MaxValue;

    private readonly int[] _idOfByte;
    private readonly BytePairMerge[] _merges;
    private readonly Dictionary<ulong, int> _ranks;

    /// <param name="idOfByte">Ids of the 256 bytes.</param>
    /// <param name="merges">Merges in the order learnt; each pair once.</param>
    public BytePairMerger(int[] idOfByte, BytePairMerge[] merges)
    {
        _idOfByte = idOfByte;
        _merges = merges;
        _ranks = new(merges.Length);
        for (int rank = 0; rank < merges.Length; rank++)
            _ranks.Add(PairQueue.Key(merges[rank].Left, merges[rank].Right), rank);
    }

    /// <summary>Token ids of one piece of text.</summary>
    [SkipLocalsInit]
    public int[] Encode(ReadOnlySpan<char> piece)
    {
        int most = Encoding.UTF8.GetMaxByteCount(piece.Length);
        Span<byte> bytes = most <= 512 ? stackalloc byte[512] : new byte[most];
        bytes = bytes[..Encoding.UTF8.GetBytes(piece, bytes)];
        return bytes.Length <= LongestScan ? EncodeByScan(bytes) : EncodeByHeap(bytes);
    }

    internal int[] EncodeByScan(ReadOnlySpan<byte> bytes)
    {
        Span<int> ids = bytes.Length <= LongestScan
            ? stackalloc int[LongestScan] : new int[bytes.Length];
        Span<int> ranks = bytes.Length <= LongestScan
            ? stackalloc int[LongestScan] : new int[bytes.Length];
        int count = bytes.Length;
        for (int i = 0; i < count; i++) ids[i] = _idOfByte[bytes[i]];
        for (int i = 0; i + 1 < count; i++) ranks[i] = Rank(ids[i], ids[i + 1]);
        while (count > 1)
        {
            int best = IndexOfFirstMinimum(ranks[..(count - 1)]);
            int rank = ranks[best];
            if (rank == NoMerge) break;
            ids[best] = _merges[rank].Id;
            ids[(best + 2)..count].CopyTo(ids[(best + 1)..]);
            if (best + 2 < count) ranks[(best + 2)..(count - 1)].CopyTo(ranks[(best + 1)..]);
            count--;
            if (best > 0) ranks[best - 1] = Rank(ids[best - 1], ids[best]);
            if (best + 1 < count) ranks[best] = Rank(ids[best], ids[best + 1]);
        }
        return ids[..count].ToArray();
    }

    internal int[] EncodeByHeap(ReadOnlySpan<byte> bytes)
    {
        // Node i starts as byte i; a merged node keeps the left index, the right one dies.
        int count = bytes.Length;
        int[] ids = new int[count];
        int[] next = new int[count];
        int[] previous = new int[count];
        for (int i = 0; i < count; i++)
            (ids[i], next[i], previous[i]) = (_idOfByte[bytes[i]], i + 1, i - 1);

        PriorityQueue<(int Node, int Left, int Right), (int Rank, int Node)> queue = new(count);
        void Offer(int node)
        {
            if (node < 0 || next[node] >= count) return;
            (int left, int right) = (ids[node], ids[next[node]]);
            int rank = Rank(left, right);
            if (rank != NoMerge) queue.Enqueue((node, left, right), (rank, node));
        }
        for (int i = 0; i + 1 < count; i++) Offer(i);
        while (queue.TryDequeue(out (int Node, int Left, int Right) pair, out var priority))
        {
            int node = pair.Node;
            int right = next[node];
            // The pair may be gone by a merge since it was queued.
            if (ids[node] != pair.Left || right >= count || ids[right] != pair.Right) continue;
            ids[node] = _merges[priority.Rank].Id;
            ids[right] = -1;
            next[node] = next[right];
            if (next[node] < count) previous[next[node]] = node;
            Offer(previous[node]);
            Offer(node);
        }
        List<int> result = new(count / 2);
        for (int node = 0; node < count; node = next[node]) result.Add(ids[node]);
        return [.. result];
    }

    private static int IndexOfFirstMinimum(ReadOnlySpan<int> ranks)
    {
        int best = 0;
        for (int i = 1; i < ranks.Length; i++)
        {
            if (ranks[i] < ranks[best]) best = i;
        }
        return best;
    }

    private int Rank(int left, int right) =>
        _ranks.TryGetValue(PairQueue.Key(left, right), out int rank) ? rank : NoMerge;
}
