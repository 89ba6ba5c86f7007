using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The optional inputs of an attention call, and where its tensors are strided.</summary>
/// <remarks><c>default</c> is none and contiguous [B, H, S, D].</remarks>
public readonly ref struct AttentionExtras
{
    /// <summary>true = may attend; of shape <see cref="MaskShape"/>.</summary>
    public ReadOnlySpan<bool> Mask { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; size-1 axes before the last broadcast; keys that
    /// a shorter last axis lacks are hidden. <c>default</c> means that shape in full.</summary>
    public TensorShape MaskShape { get; init; }

    /// <summary>Added to the scores, −∞ allowed; of shape <see cref="BiasShape"/>.</summary>
    public ReadOnlySpan<float> Bias { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv]; size-1 axes before the last broadcast; keys that
    /// a shorter last axis lacks are hidden. <c>default</c> means that shape in full.</summary>
    public TensorShape BiasShape { get; init; }

    /// <summary>[B], each in [0, Skv]: keys from there on are padding.</summary>
    public ReadOnlySpan<int> KeyLengths { get; init; }

    /// <summary>[B + 1], from 0: queries, outputs and gradients are packed as [total, Hq, D];
    /// Sizes.QueryLength is then the longest sequence's.</summary>
    public ReadOnlySpan<int> QueryOffsets { get; init; }

    /// <summary>[B + 1], from 0: keys and values are packed as [total, Hkv, D]; Sizes.KeyLength is
    /// then the longest sequence's.</summary>
    public ReadOnlySpan<int> KeyOffsets { get; init; }

    /// <summary>[B, blocks]: keys and values are paged as [PageCount, PageSize, Hkv, D], and this
    /// is the page of each block; needs <see cref="KeyLengths"/>.</summary>
    public ReadOnlySpan<int> BlockTable { get; init; }

    /// <summary>Keys of a page: a multiple of 16; 0 without a block table.</summary>
    public int PageSize { get; init; }

    /// <summary>Pages that key and value hold.</summary>
    public int PageCount { get; init; }

    /// <summary>[Hq or 1, ⌈Sq / QueryBlock⌉, ⌈Skv / KeyBlock⌉], true = may attend.</summary>
    public ReadOnlySpan<bool> BlockMask { get; init; }

    /// <summary>What a block of the block mask covers.</summary>
    public AttentionBlockSize BlockSize { get; init; }

    /// <summary>[Hq] slopes m of ALiBi: −m·|i + offset − j| is added to a score.</summary>
    public ReadOnlySpan<float> AlibiSlopes { get; init; }

    /// <summary>[buckets, Hq], for <see cref="AttentionOptions.RelativeBuckets"/>.</summary>
    public ReadOnlySpan<float> RelativeBias { get; init; }

    /// <summary>[Hq] logits in the softmax's denominator.</summary>
    public ReadOnlySpan<float> Sinks { get; init; }

    /// <summary>Seed of dropout; backward takes the forward call's.</summary>
    public long DropoutSeed { get; init; }

    /// <summary>Training step, which dropout's numbers depend on, too.</summary>
    public long DropoutStep { get; init; }

    /// <summary>User code on scores; see also the entries that take the struct itself.</summary>
    public ScoreModifier? Score { get; init; }

    /// <summary>Of the query and its gradient.</summary>
    public AttentionStrides QueryStrides { get; init; }

    /// <summary>Of the key and its gradient.</summary>
    public AttentionStrides KeyStrides { get; init; }

    /// <summary>Of the value and its gradient.</summary>
    public AttentionStrides ValueStrides { get; init; }

    /// <summary>Of the output and its gradient.</summary>
    public AttentionStrides OutputStrides { get; init; }

    internal AttentionMaskLayout MaskLayout(in AttentionSizes sizes) =>
        Mask.IsEmpty && MaskShape.Rank == 0 ? default : Layout(MaskShape, sizes);

    internal AttentionMaskLayout BiasLayout(in AttentionSizes sizes) =>
        Bias.IsEmpty && BiasShape.Rank == 0 ? default : Layout(BiasShape, sizes);

    /// <summary>True where a shape without span is given: the call then finds that there are too
    /// few elements, or that the shape has no keys, which hides them all.</summary>
    internal static bool OnlyShape(bool empty, TensorShape shape) => empty && shape.Rank > 0;

    private static AttentionMaskLayout Layout(TensorShape shape, in AttentionSizes sizes) =>
        AttentionMaskLayout.FromShape(shape.Rank > 0 ? shape : new(
            sizes.Batch, sizes.QueryHeads, sizes.QueryLength, sizes.KeyLength), sizes);
}

/// <summary>Gradients of the optional inputs; each may be empty.</summary>
public readonly ref struct AttentionExtraGradients
{
    /// <summary>Of the bias's shape; added to.</summary>
    public Span<float> Bias { get; init; }

    /// <summary>[buckets, Hq]; added to.</summary>
    public Span<float> RelativeBias { get; init; }

    /// <summary>[Hq]; added to.</summary>
    public Span<float> Sinks { get; init; }
}
