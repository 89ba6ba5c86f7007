namespace Transformer.Models.Text;

/// <summary>What a size of vocabulary costs and brings.</summary>
/// <param name="VocabularySize">Tokens, special ones and bytes included.</param>
/// <param name="TokensPerLine">Mean length of the lines that were held out, in tokens.</param>
/// <param name="CharactersPerToken">Mean length of a token there, in UTF-16 units.</param>
/// <param name="Pieces">Pieces learnt: without special tokens and bytes.</param>
/// <param name="Tail">Uses in the training text that 95 % of the pieces used there reach.
/// </param>
/// <param name="Rare">Pieces learnt that are used less than ten times there.</param>
/// <param name="Unused">Pieces learnt that are not used at all: parts of longer ones.</param>
public sealed record VocabularySizeRow(
    int VocabularySize, double TokensPerLine, double CharactersPerToken, int Pieces, long Tail,
    int Rare, int Unused);

/// <summary>Byte-pair vocabularies of growing size on one text: how much shorter sequences get,
/// and how rare the last tokens become.</summary>
/// <remarks>Merges are learnt once; a smaller vocabulary is the beginning of a larger one. Every
/// tenth line is held out for the lengths.</remarks>
public sealed class VocabularyReport
{
    /// <summary>Sizes that are measured by default.</summary>
    public static IReadOnlyList<int> DefaultSizes { get; } =
        [1000, 2000, 4000, 8000, 16_000, 25_000, 32_000, 40_000, 50_000, 60_000];

    /// <summary>Uses from which a token's embedding is commonly taken to be learnt well.
    /// </summary>
    /// <remarks>Gowda and May, "Finding the Optimal Vocabulary Size for Neural Machine
    /// Translation" (2020): the largest vocabulary whose 95th percentile occurs 100 times.
    /// </remarks>
    public const int EnoughUses = 100;

    private const int HeldOut = 10;
    private const int RareUses = 10;

    private VocabularyReport(
        BytePairTokenizer tokenizer, IReadOnlyList<VocabularySizeRow> rows,
        IReadOnlyList<(string Piece, long Uses)> pieces) =>
        (Tokenizer, Rows, Pieces) = (tokenizer, rows, pieces);

    /// <summary>The largest vocabulary.</summary>
    public BytePairTokenizer Tokenizer { get; }

    /// <summary>Sizes in growing order; those that the text is too small for are left out, and
    /// the last one is then all that it gives.</summary>
    public IReadOnlyList<VocabularySizeRow> Rows { get; }

    /// <summary>Pieces that the largest vocabulary has learnt, the most used first, spelled as
    /// in its file.</summary>
    public IReadOnlyList<(string Piece, long Uses)> Pieces { get; }

    /// <summary>The largest size of which 95 % of the pieces in use are used <see
    /// cref="EnoughUses"/> times or more; null where none is.</summary>
    public int? Suggested => Rows.LastOrDefault(row => row.Tail >= EnoughUses)?.VocabularySize;

    /// <summary>Learns and measures.</summary>
    /// <param name="lines">Text, a line or sentence each.</param>
    /// <param name="sizes">Vocabulary sizes; null: <see cref="DefaultSizes"/>.</param>
    /// <param name="minFrequency">Times a pair must occur to be merged; at least 1.</param>
    /// <param name="progress">Told the part of the learning that is done, 0 to 1.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ArgumentException">A size is out of range, or there is no text.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static VocabularyReport Measure(
        IReadOnlyList<string> lines, IReadOnlyList<int>? sizes = null, int minFrequency = 2,
        IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(lines);
        int[] wanted = [.. (sizes ?? DefaultSizes).Distinct().Order()];
        if (wanted.Length == 0)
            throw new ArgumentException("VocabularyReport: 'sizes' is empty; expected sizes.");
        BytePairOptions options = new() { VocabularySize = wanted[0], MinFrequency = minFrequency };
        options.Validate();
        (List<string> training, List<string> held) = Divide(lines);
        BytePairTokenizer largest = BytePairTokenizer.Train(
            training, options with { VocabularySize = wanted[^1] }, progress, cancellation);
        List<VocabularySizeRow> rows = [];
        long[] uses = [];
        foreach (int size in wanted)
        {
            cancellation.ThrowIfCancellationRequested();
            bool isLast = size >= largest.VocabularySize;
            BytePairTokenizer tokenizer = isLast ? largest : largest.Shortened(size);
            uses = Uses(tokenizer, training);
            rows.Add(Row(tokenizer, uses, held));
            if (isLast) break;
        }
        return new(largest, rows, [.. Enumerable.Range(0, uses.Length)
            .Select(i => (Piece: largest.Token(BytePairOptions.SmallestVocabulary + i), uses[i]))
            .OrderByDescending(entry => entry.Item2)
            .ThenBy(entry => entry.Piece, StringComparer.Ordinal)]);
    }

    private static (List<string> Training, List<string> HeldOut) Divide(
        IReadOnlyList<string> lines)
    {
        List<string> training = [], held = [];
        for (int i = 0; i < lines.Count; i++)
        {
            if (lines[i].Length > 0)
                (i % HeldOut == HeldOut - 1 ? held : training).Add(lines[i]);
        }
        // Too little to divide: lengths are then those of the text learnt from.
        return held.Count == 0 ? (training, training) : (training, held);
    }

    /// <summary>How often each piece learnt is used.</summary>
    private static long[] Uses(BytePairTokenizer tokenizer, List<string> lines)
    {
        const int first = BytePairOptions.SmallestVocabulary;
        long[] uses = new long[tokenizer.VocabularySize - first];
        foreach (string line in lines)
        {
            foreach (int id in tokenizer.Encode(line))
            {
                if (id >= first) uses[id - first]++;
            }
        }
        return uses;
    }

    private static VocabularySizeRow Row(
        BytePairTokenizer tokenizer, long[] uses, List<string> held)
    {
        long tokens = held.Sum(line => (long)tokenizer.Encode(line).Length);
        long characters = held.Sum(line => (long)line.Length);
        long[] falling = [.. uses.Where(n => n > 0).OrderDescending()];
        int last = (int)Math.Ceiling(falling.Length * 0.95) - 1;
        return new(
            tokenizer.VocabularySize, (double)tokens / held.Count, (double)characters / tokens,
            uses.Length, last < 0 ? 0 : falling[last], uses.Count(n => n < RareUses),
            uses.Count(n => n == 0));
    }
}
