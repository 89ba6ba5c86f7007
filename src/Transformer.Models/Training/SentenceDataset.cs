using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Transformer.Models.Text;

namespace Transformer.Models.Training;

/// <summary>Documents of sentences as token ids. Immutable.</summary>
public sealed class SentenceDataset
{
    private readonly int[] ids;
    private readonly int[] starts;
    private readonly int[] documentStarts;
    private readonly int[] documentEnds;

    /// <summary>Keeps the sentences.</summary>
    /// <param name="documents">Token ids of each sentence of each document; empty sentences and
    /// documents are left out.</param>
    /// <exception cref="ArgumentException">No sentence follows another, or the one document has
    /// fewer than three, so that none could follow by chance.</exception>
    public SentenceDataset(IEnumerable<IEnumerable<int[]>> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        List<int> all = [], tokenStarts = [0], begins = [], ends = [];
        foreach (IEnumerable<int[]> document in documents)
        {
            int begin = tokenStarts.Count - 1;
            foreach (int[] sentence in document.Where(s => s.Length > 0))
            {
                all.AddRange(sentence);
                tokenStarts.Add(all.Count);
            }

            int end = tokenStarts.Count - 1;
            if (end == begin) continue;
            begins.AddRange(Enumerable.Repeat(begin, end - begin));
            ends.AddRange(Enumerable.Repeat(end, end - begin));
            Documents++;
        }

        (ids, starts) = ([.. all], [.. tokenStarts]);
        (documentStarts, documentEnds) = ([.. begins], [.. ends]);
        Firsts = [.. Enumerable.Range(0, Count).Where(i => i + 1 < documentEnds[i])];
        if (Firsts.Length == 0 || (Documents == 1 && Count < 3))
        {
            throw new ArgumentException($"SentenceDataset: {Count} sentences in {Documents} " +
                "documents; expected sentences that follow each other, and others. Give more " +
                "text, one sentence a line, with an empty line after each document.");
        }

        Fingerprint = Convert.ToHexStringLower(SHA256.HashData([
            .. MemoryMarshal.AsBytes<int>(ids), .. MemoryMarshal.AsBytes<int>(starts),
            .. MemoryMarshal.AsBytes<int>(documentEnds)]).AsSpan(0, 16));
    }

    /// <summary>Sentences.</summary>
    public int Count => starts.Length - 1;

    /// <summary>Documents.</summary>
    public int Documents { get; }

    /// <summary>Tokens of all sentences.</summary>
    public int Tokens => ids.Length;

    /// <summary>32 hexadecimal digits that differ for other sentences; checkpoints store it so
    /// that training does not go on with other data.</summary>
    public string Fingerprint { get; }

    /// <summary>Sentences that another one follows.</summary>
    internal int[] Firsts { get; }

    /// <summary>All ids, sentence after sentence.</summary>
    internal ReadOnlySpan<int> Ids => ids;

    /// <summary>Encodes text.</summary>
    /// <param name="lines">One sentence a line; an empty line ends a document.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <exception cref="ArgumentException">As for the constructor.</exception>
    public static SentenceDataset Encode(IEnumerable<string> lines, ITokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(lines);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(Split(lines).Select(document => document.Select(tokenizer.Encode)));
    }

    /// <summary>Keeps the last documents for validation or, of a single document, its last
    /// sentences.</summary>
    /// <param name="lines">One sentence a line; an empty line ends a document.</param>
    /// <param name="share">Of the documents or sentences, in (0, 1), that is kept.</param>
    /// <returns>Lines of the beginning, and of the rest.</returns>
    public static (string[] Training, string[] Validation) Split(
        IReadOnlyList<string> lines, double share)
    {
        ArgumentNullException.ThrowIfNull(lines);
        int[] ends = [.. Enumerable.Range(0, lines.Count).Where(
            i => string.IsNullOrWhiteSpace(lines[i]) && i + 1 < lines.Count)];
        int cut = (int)(lines.Count * (1 - share));
        if (ends.Length > 0) cut = ends.MinBy(end => Math.Abs(end - cut)) + 1;
        return ([.. lines.Take(cut)], [.. lines.Skip(cut)]);
    }

    /// <summary>Ids of sentences <paramref name="first"/> to <paramref name="end"/> − 1.</summary>
    internal ReadOnlySpan<int> Sentences(int first, int end) =>
        ids.AsSpan(starts[first], starts[end] - starts[first]);

    /// <summary>The first sentence of a sentence's document.</summary>
    internal int DocumentStart(int sentence) => documentStarts[sentence];

    /// <summary>The sentence after the last of a sentence's document.</summary>
    internal int DocumentEnd(int sentence) => documentEnds[sentence];

    private static IEnumerable<List<string>> Split(IEnumerable<string> lines)
    {
        List<string> document = [];
        foreach (string line in lines)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                document.Add(line);
                continue;
            }

            if (document.Count > 0) yield return document;
            document = [];
        }

        if (document.Count > 0) yield return document;
    }
}
