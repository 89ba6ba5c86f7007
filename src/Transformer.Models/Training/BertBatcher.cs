namespace Transformer.Models.Training;

/// <summary>Draws batches of masked pairs of texts. The batches of an epoch depend on (sentences,
/// sizes, seed, epoch) alone; every epoch pairs and masks anew.</summary>
/// <remarks>An epoch has as many texts as the sentences have tokens for.</remarks>
public sealed class BertBatcher
{
    private const uint Stream = 0xFFFF_000B;

    private readonly SentencePairs pairs;
    private readonly TokenMasking masking;
    private readonly ulong seed;
    private readonly int[] places;
    private readonly int[] hidden;
    private int epoch;

    /// <summary>Plans epoch 0.</summary>
    /// <param name="dataset">The sentences.</param>
    /// <param name="masking">Hides tokens.</param>
    /// <param name="rows">B.</param>
    /// <param name="length">T, 8 or more.</param>
    /// <param name="seed">Of pairs and masks.</param>
    /// <exception cref="ArgumentException">A size is too small, a token is not of the tokenizer's,
    /// or all are special.</exception>
    public BertBatcher(
        SentenceDataset dataset, TokenMasking masking, int rows, int length, ulong seed)
    {
        const int Least = 8;
        ArgumentNullException.ThrowIfNull(dataset);
        ArgumentNullException.ThrowIfNull(masking);
        if (rows < 1 || length < Least)
        {
            throw new ArgumentException($"BertBatcher: {rows} texts of {length} tokens; expected " +
                $"1 or more, of {Least} or more.");
        }

        RequireOrdinary(dataset, masking);
        this.masking = masking;
        this.seed = seed;
        pairs = new(dataset, masking.Tokens);
        places = new int[length];
        hidden = new int[length];
        Rows = rows;
        Length = length;
        Masked = TokenMasking.Most(length - 3);
        BatchCount = Math.Max(1, (int)((long)dataset.Tokens / (length - 3) / rows));
    }

    /// <summary>B: texts of a batch.</summary>
    public int Rows { get; }

    /// <summary>T: tokens of a text.</summary>
    public int Length { get; }

    /// <summary>M: places of a text for tokens to guess.</summary>
    public int Masked { get; }

    /// <summary>Batches of an epoch.</summary>
    public int BatchCount { get; }

    /// <summary>Plans the batches of an epoch, from 0 on.</summary>
    public void StartEpoch(int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        this.epoch = epoch;
    }

    /// <summary>Writes a batch of this epoch.</summary>
    /// <param name="batch">0 to <see cref="BatchCount"/> − 1.</param>
    /// <param name="destination">Of this shape.</param>
    public void Fill(int batch, BertBatch destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.MaskedRows.AsSpan().Clear();
        destination.Labels.AsSpan().Fill(Batch.IgnoredLabel);
        int total = 0;

        // Of very short texts, chance may choose no token at all; a mean of none does not exist.
        for (long attempt = 0; total == 0; attempt++)
        {
            for (int row = 0; row < Rows; row++)
            {
                long example = ((attempt * BatchCount) + batch) * Rows + row;
                total += FillRow(row, new(seed, Stream, epoch, example), destination);
            }
        }
    }

    private int FillRow(int row, RandomStream draw, BertBatch destination)
    {
        Span<int> ids = destination.Ids.AsSpan(row * Length, Length);
        destination.Lengths[row] = pairs.Write(ref draw, ids,
            destination.Segments.AsSpan(row * Length, Length), out bool follows);
        destination.NextLabels[row] = follows ? 0 : 1;
        int chosen = masking.Hide(ids, ref draw, places, hidden);
        for (int i = 0; i < chosen; i++)
        {
            destination.MaskedRows[(row * Masked) + i] = (row * Length) + places[i];
            destination.Labels[(row * Masked) + i] = hidden[i];
        }

        return chosen;
    }

    private static void RequireOrdinary(SentenceDataset dataset, TokenMasking masking)
    {
        int outside = dataset.Ids.IndexOfAnyExceptInRange(0, masking.Vocabulary - 1);
        if (outside >= 0)
        {
            throw new ArgumentException($"BertBatcher: the sentences hold the token " +
                $"{dataset.Ids[outside]}; the tokenizer has 0 to {masking.Vocabulary - 1}. Use " +
                "the tokenizer that they were encoded with.");
        }

        foreach (int id in dataset.Ids)
        {
            if (masking.IsOrdinary(id)) return;
        }

        throw new ArgumentException("BertBatcher: all tokens of the sentences are special ones. " +
            "Use a tokenizer that knows the text.");
    }
}
