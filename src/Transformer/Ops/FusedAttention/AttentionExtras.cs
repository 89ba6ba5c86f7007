using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The optional inputs of an attention call, and where its tensors are strided.</summary>
/// <remarks><c>default</c> is none and contiguous [B, H, S, D].</remarks>
public readonly ref struct AttentionExtras
{
    /// <summary>true = may attend; of shape <see cref="MaskShape"/>.</summary>
    public ReadOnlySpan<bool> Mask { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv], size-1 axes broadcast; <c>default</c> means that
    /// shape in full. A last axis of 0 keys hides all of them.</summary>
    public TensorShape MaskShape { get; init; }

    /// <summary>Added to the scores, −∞ allowed; of shape <see cref="BiasShape"/>.</summary>
    public ReadOnlySpan<float> Bias { get; init; }

    /// <summary>Right-aligned to [B, Hq, Sq, Skv], size-1 axes broadcast; <c>default</c> means that
    /// shape in full. A last axis of 0 keys hides all of them.</summary>
    public TensorShape BiasShape { get; init; }

    /// <summary>[B], each in [0, Skv]: keys from there on are padding.</summary>
    public ReadOnlySpan<int> KeyLengths { get; init; }

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
