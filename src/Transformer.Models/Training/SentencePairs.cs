using Transformer.Models.Text;

namespace Transformer.Models.Training;

/// <summary>Draws texts [CLS] A [SEP] B [SEP]: A some sentences of a document, B the ones after
/// them in half of all cases, and otherwise sentences from elsewhere.</summary>
/// <remarks>Devlin et al. 2018, §3.1 and appendix A.2. A begins at a random sentence and takes
/// whole ones up to half of the room; B takes whole ones while there is room. What is too long even
/// so loses the beginning of A or the end of B, so that they still meet. From elsewhere is from
/// another document or, where there is one alone, from outside A and the sentence after it.
/// </remarks>
internal sealed class SentencePairs(SentenceDataset dataset, BertTokens tokens)
{
    /// <summary>Writes one text.</summary>
    /// <param name="draw">Random numbers.</param>
    /// <param name="ids">[T]; receives the text and padding.</param>
    /// <param name="segments">[T]; receives 0 and 1.</param>
    /// <param name="follows">Whether B follows A.</param>
    /// <returns>Tokens that are no padding.</returns>
    public int Write(
        ref RandomStream draw, Span<int> ids, Span<int> segments, out bool follows)
    {
        int room = ids.Length - 3;
        int first = dataset.Firsts[draw.Below(dataset.Firsts.Length)];
        int end = EndOfFirst(first, room / 2);
        follows = draw.Below(2) == 0;
        int second = follows ? end : Elsewhere(ref draw, first, end);
        int stop = second < first ? Math.Min(first, dataset.DocumentEnd(second))
            : dataset.DocumentEnd(second);
        ReadOnlySpan<int> a = dataset.Sentences(first, end);
        int last = second + 1;
        while (last < stop && a.Length + dataset.Sentences(second, last + 1).Length <= room) last++;
        ReadOnlySpan<int> b = dataset.Sentences(second, last);
        Shorten(ref a, ref b, room);
        return Write(a, b, ids, segments);
    }

    private int EndOfFirst(int first, int target)
    {
        int end = first + 1, limit = dataset.DocumentEnd(first) - 1;

        // One document alone must keep a sentence outside A and the one after it.
        if (dataset.Documents == 1) limit = Math.Min(limit, first + dataset.Count - 2);
        while (end < limit && dataset.Sentences(first, end + 1).Length <= target) end++;
        return end;
    }

    private int Elsewhere(ref RandomStream draw, int first, int end)
    {
        int from = first, to = end + 1;
        if (dataset.Documents > 1)
        {
            (from, to) = (dataset.DocumentStart(first), dataset.DocumentEnd(first));
        }

        int other = draw.Below(dataset.Count - (to - from));
        return other < from ? other : other + (to - from);
    }

    private static void Shorten(ref ReadOnlySpan<int> a, ref ReadOnlySpan<int> b, int room)
    {
        if (a.Length + b.Length <= room) return;
        int half = room / 2;
        int keptOfFirst = Math.Min(a.Length, Math.Max(half, room - b.Length));
        a = a[^keptOfFirst..];
        b = b[..Math.Min(b.Length, room - keptOfFirst)];
    }

    private int Write(
        ReadOnlySpan<int> a, ReadOnlySpan<int> b, Span<int> ids, Span<int> segments)
    {
        ids.Fill(tokens.Pad);
        segments.Clear();
        ids[0] = tokens.Class;
        a.CopyTo(ids[1..]);
        ids[a.Length + 1] = tokens.Separator;
        b.CopyTo(ids[(a.Length + 2)..]);
        int length = a.Length + b.Length + 3;
        ids[length - 1] = tokens.Separator;
        segments[(a.Length + 2)..length].Fill(1);
        return length;
    }
}
