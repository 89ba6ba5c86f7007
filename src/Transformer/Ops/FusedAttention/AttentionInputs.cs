using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>What forward and backward of an attention call have in common: its inputs.</summary>
/// <remarks>
/// Three layouts of sequences. Padded: [B, H, S, D] with any strides. Packed: sequence b owns rows
/// [offsets[b], offsets[b + 1]) of [total, H, D]; queries and keys may each be packed or not.
/// Paged (keys and values): row j of sequence b is row j mod PageSize of page blockTable[b, j /
/// PageSize]. All rules of visibility intersect.
/// </remarks>
public readonly record struct AttentionInputs
{
    /// <summary>[B, Hq, Sq, D]; packed: [TotalQueries, Hq, D].</summary>
    public BufferView Query { get; init; }

    /// <summary>[B, Hkv, Skv, D]; packed: [TotalKeys, Hkv, D]; paged: [PageCount, PageSize, Hkv,
    /// D].</summary>
    public BufferView Key { get; init; }

    /// <summary>[B, Hkv, Skv, Dv]; packed: [TotalKeys, Hkv, Dv]; paged: [PageCount, PageSize, Hkv,
    /// Dv].</summary>
    public BufferView Value { get; init; }

    /// <summary>Of the query and its gradient; default: contiguous in the order above.</summary>
    public AttentionStrides QueryStrides { get; init; }

    /// <summary>Of the key and its gradient; default: contiguous in the order above. Batch is the
    /// distance of pages where keys are paged.</summary>
    public AttentionStrides KeyStrides { get; init; }

    /// <summary>Of the value and its gradient; as <see cref="KeyStrides"/>.</summary>
    public AttentionStrides ValueStrides { get; init; }

    /// <summary>Of the output and its gradient; default: contiguous [B, Hq, Sq, Dv], packed as the
    /// query is.</summary>
    public AttentionStrides OutputStrides { get; init; }

    /// <summary>Bool, true = may attend; laid out as <see cref="MaskLayout"/>; optional.</summary>
    public BufferView Mask { get; init; }

    /// <summary>Strides of the mask; 0 broadcasts.</summary>
    public AttentionMaskLayout MaskLayout { get; init; }

    /// <summary>Added to the scores, −∞ allowed; laid out as <see cref="BiasLayout"/>; optional.
    /// </summary>
    public BufferView Bias { get; init; }

    /// <summary>Strides of the bias and of its gradient; 0 broadcasts.</summary>
    public AttentionMaskLayout BiasLayout { get; init; }

    /// <summary>[B] Int32, each from 0 to the keys that the sequence has: keys from there on are
    /// padding; optional, needed with pages.</summary>
    public BufferView KeyLengths { get; init; }

    /// <summary>[B + 1] Int32, from 0, never decreasing: queries are packed; optional.</summary>
    public BufferView QueryOffsets { get; init; }

    /// <summary>[B + 1] Int32, from 0, never decreasing: keys are packed; optional.</summary>
    public BufferView KeyOffsets { get; init; }

    /// <summary>Rows of packed queries, outputs and log-sum-exps.</summary>
    public int TotalQueries { get; init; }

    /// <summary>Rows of packed keys and values.</summary>
    public int TotalKeys { get; init; }

    /// <summary>[B, blocks] Int32, page of each block of PageSize keys; entries past a sequence's
    /// length are not read; optional.</summary>
    public BufferView BlockTable { get; init; }

    /// <summary>Keys of a page: a multiple of 16; 0 where keys are not paged.</summary>
    public int PageSize { get; init; }

    /// <summary>Pages that key and value hold.</summary>
    public int PageCount { get; init; }

    /// <summary>Bool [Hq or 1, ⌈Sq / QueryBlock⌉, ⌈Skv / KeyBlock⌉], true = may attend; optional.
    /// </summary>
    public BufferView BlockMask { get; init; }

    /// <summary>What a block of the block mask covers.</summary>
    public AttentionBlockSize BlockSize { get; init; }

    /// <summary>[Hq] m of the bias −m·|i + offset − j| (Press et al. 2022, ALiBi); optional.
    /// </summary>
    public BufferView AlibiSlopes { get; init; }

    /// <summary>[buckets, Hq], added to the score of a key in that bucket of distances (Raffel et
    /// al. 2020, T5); present exactly where <see cref="AttentionOptions.RelativeBuckets"/> is.
    /// </summary>
    public BufferView RelativeBias { get; init; }

    /// <summary>[Hq] logits that join the softmax's denominator only, −∞ for none; optional.
    /// </summary>
    public BufferView Sinks { get; init; }

    /// <summary>[2] Int64: seed and step of dropout; needed where its probability is not 0.
    /// </summary>
    public BufferView RandomState { get; init; }

    /// <summary>User code that changes scores or hides keys; null for none.</summary>
    public ScoreModifier? Score { get; init; }

    /// <summary>Sizes.</summary>
    public AttentionSizes Sizes { get; init; }

    /// <summary>Options.</summary>
    public AttentionOptions Options { get; init; }

    /// <summary>True when sequence b's queries are rows [offsets[b], offsets[b + 1]).</summary>
    public bool QueriesArePacked => QueryOffsets.IsPresent;

    /// <summary>True when sequence b's keys are rows [offsets[b], offsets[b + 1]).</summary>
    public bool KeysArePacked => KeyOffsets.IsPresent;

    /// <summary>True when a block table tells where keys lie.</summary>
    public bool KeysArePaged => BlockTable.IsPresent;

    /// <summary>Query strides with the default filled in.</summary>
    public AttentionStrides EffectiveQueryStrides =>
        QueryDefault(QueryStrides, Sizes.HeadDimension);

    /// <summary>Key strides with the default filled in.</summary>
    public AttentionStrides EffectiveKeyStrides => KeyDefault(KeyStrides, Sizes.HeadDimension);

    /// <summary>Value strides with the default filled in.</summary>
    public AttentionStrides EffectiveValueStrides =>
        KeyDefault(ValueStrides, Sizes.ValueDimension);

    /// <summary>Output strides with the default filled in.</summary>
    public AttentionStrides EffectiveOutputStrides =>
        QueryDefault(OutputStrides, Sizes.ValueDimension);

    /// <summary>Rows of queries that exist: B·Sq, or those of the packed tensor; times Hq the
    /// number of log-sum-exps, which lie as [B, Hq, Sq], packed as [Hq, TotalQueries].</summary>
    public long QueryRows => QueriesArePacked
        ? TotalQueries : OpCheck.Count(Sizes.Batch, Sizes.QueryLength);

    /// <summary>Outermost size and rows of one head in memory of queries and outputs.</summary>
    internal (int Outer, int Rows) QueryExtent =>
        QueriesArePacked ? (1, TotalQueries) : (Sizes.Batch, Sizes.QueryLength);

    /// <summary>Outermost size and rows of one head in memory of keys and values.</summary>
    internal (int Outer, int Rows) KeyExtent => KeysArePaged
        ? (PageCount, PageSize)
        : KeysArePacked ? (1, TotalKeys) : (Sizes.Batch, Sizes.KeyLength);

    /// <summary>Shape of the log-sum-exps.</summary>
    internal ShapeText RowShape
    {
        get
        {
            // A conditional expression would make a string of each.
            if (QueriesArePacked) return $"[{Sizes.QueryHeads}, {TotalQueries}]";
            return $"[{Sizes.Batch}, {Sizes.QueryHeads}, {Sizes.QueryLength}]";
        }
    }

    private AttentionStrides QueryDefault(AttentionStrides strides, int dimension) =>
        strides != default ? strides : QueriesArePacked
            ? AttentionStrides.SequenceMajor(Sizes.QueryHeads, TotalQueries, dimension)
            : AttentionStrides.HeadMajor(Sizes.QueryHeads, Sizes.QueryLength, dimension);

    private AttentionStrides KeyDefault(AttentionStrides strides, int dimension) =>
        strides != default ? strides : KeysArePaged || KeysArePacked
            ? AttentionStrides.SequenceMajor(
                Sizes.KeyValueHeads, KeyExtent.Rows, dimension)
            : AttentionStrides.HeadMajor(Sizes.KeyValueHeads, Sizes.KeyLength, dimension);
}

/// <summary>Queries and keys of one block of a block mask, and whether heads have their own.
/// </summary>
/// <param name="QueryBlock">Queries of a block.</param>
/// <param name="KeyBlock">Keys of a block.</param>
/// <param name="PerHead">True: the mask has Hq heads; false: one that serves all.</param>
public readonly record struct AttentionBlockSize(int QueryBlock, int KeyBlock, bool PerHead);
