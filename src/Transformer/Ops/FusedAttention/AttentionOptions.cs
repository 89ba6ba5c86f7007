namespace Transformer.Ops;

/// <summary>Where the causal diagonal lies: query i sees key j iff j ≤ i + offset.</summary>
public enum CausalAlignment
{
    /// <summary>Not causal.</summary>
    None,

    /// <summary>offset = 0: the first query is aligned with the first key (PyTorch, ONNX).
    /// </summary>
    TopLeft,

    /// <summary>offset = Skv − Sq, or keyLengths[b] − Sq where lengths are given, not clamped:
    /// the last query is aligned with the last key (FlashAttention 2.1 and later).</summary>
    BottomRight,

    /// <summary>offset = <see cref="AttentionOptions.PastLength"/>: keys of the past come first.
    /// </summary>
    Past,
}

/// <summary>Which scores a call also writes, as [B, Hq, Sq, Skv].</summary>
public enum ScoreOutput
{
    /// <summary>None; nothing of size Sq×Skv exists.</summary>
    None,

    /// <summary>scale · q·k.</summary>
    Raw,

    /// <summary>After the soft cap.</summary>
    Capped,

    /// <summary>After bias and masks: −∞ where hidden.</summary>
    Masked,

    /// <summary>After softmax: the weights; 0 where hidden.</summary>
    Probabilities,
}

/// <summary>
/// Sliding window around p = i + causal offset: key j is visible iff p − Left ≤ j ≤ p + Right.
/// </summary>
/// <param name="Left">Keys to the left; −1 is unbounded, 0 keeps the own position only.</param>
/// <param name="Right">Keys to the right; −1 is unbounded.</param>
public readonly record struct AttentionWindow(int Left, int Right);

/// <summary>Sizes of an attention call.</summary>
/// <param name="Batch">B: sequences.</param>
/// <param name="QueryHeads">Hq: a multiple of KeyValueHeads.</param>
/// <param name="KeyValueHeads">Hkv: query head h reads key/value head h / (Hq / Hkv).</param>
/// <param name="QueryLength">Sq: queries of a sequence.</param>
/// <param name="KeyLength">Skv: keys of a sequence.</param>
/// <param name="HeadDimension">D: width of a query and a key.</param>
/// <param name="ValueDimension">Dv: width of a value and an output.</param>
public readonly record struct AttentionSizes(
    int Batch, int QueryHeads, int KeyValueHeads, int QueryLength, int KeyLength,
    int HeadDimension, int ValueDimension);

/// <summary>
/// Elements between neighbours along batch, head and sequence; the head dimension is contiguous.
/// </summary>
/// <remarks><c>default</c> means contiguous [B, H, S, D].</remarks>
/// <param name="Batch">From one sequence to the next.</param>
/// <param name="Head">From one head to the next.</param>
/// <param name="Sequence">From one position to the next.</param>
public readonly record struct AttentionStrides(long Batch, long Head, long Sequence)
{
    /// <summary>[B, H, S, D]: each head's rows lie together.</summary>
    public static AttentionStrides HeadMajor(int heads, int length, int dimension) =>
        new(OpCheck.Count(heads, length, dimension), (long)length * dimension, dimension);

    /// <summary>[B, S, H, D], or a slice of wider rows: <paramref name="rowWidth"/> elements from
    /// one position to the next (3·H·D for packed QKV); 0 means heads · dimension.</summary>
    public static AttentionStrides SequenceMajor(
        int heads, int length, int dimension, long rowWidth = 0)
    {
        long row = rowWidth == 0 ? (long)heads * dimension : rowWidth;
        return new(OpCheck.Count(row, length), dimension, row);
    }
}

/// <summary>
/// Elements between neighbours of a mask or bias along its four axes; 0 broadcasts.
/// </summary>
/// <param name="Batch">Along B.</param>
/// <param name="Head">Along Hq.</param>
/// <param name="Query">Along Sq.</param>
/// <param name="KeyCount">Keys a row has; keys beyond them are hidden.</param>
public readonly record struct AttentionMaskLayout(long Batch, long Head, long Query, int KeyCount)
{
    /// <summary>Layout of a dense mask whose shape is right-aligned to [B, Hq, Sq, Skv]: size-1
    /// axes before the last broadcast; a last axis shorter than Skv, also of 1, hides the missing
    /// keys.</summary>
    /// <param name="shape">Rank 1 to 4; rank 3 is (Hq, Sq, Skv).</param>
    /// <param name="sizes">The call's sizes.</param>
    /// <exception cref="ArgumentException">The shape does not broadcast to the sizes.</exception>
    public static AttentionMaskLayout FromShape(
        Tensors.TensorShape shape, in AttentionSizes sizes)
    {
        ReadOnlySpan<long> full = [sizes.Batch, sizes.QueryHeads, sizes.QueryLength];
        Span<long> strides = [0, 0, 0];
        bool fits = shape.Rank is >= 1 and <= 4 && shape[^1] <= sizes.KeyLength;
        long step = fits ? shape[^1] : 0;
        for (int back = 2; fits && back <= shape.Rank; back++)
        {
            long size = shape[shape.Rank - back];
            int axis = 4 - back;
            fits = size == 1 || size == full[axis];
            strides[axis] = size == 1 ? 0 : step;
            step *= size;
        }

        if (!fits)
        {
            OpCheck.Throw("FusedAttention", $"mask or bias of shape {shape} does not broadcast " +
                $"to [{full[0]}, {full[1]}, {full[2]}, {sizes.KeyLength}]. Use 1 or the full " +
                "size on each axis but the last, right-aligned, and at most the keys on that.");
        }

        return new(strides[0], strides[1], strides[2], (int)shape[^1]);
    }
}

/// <summary>Options of an attention call; <c>default</c> is plain full attention.</summary>
public readonly record struct AttentionOptions
{
    /// <summary>Multiplies q·k; 0 means 1/√D.</summary>
    public double Scale { get; init; }

    /// <summary>c of s ← c·tanh(s/c), before bias and masks; 0 means none.</summary>
    public double SoftCap { get; init; }

    /// <summary>Where the causal diagonal lies, if anywhere.</summary>
    public CausalAlignment Causal { get; init; }

    /// <summary>Keys that precede the first query: the offset of
    /// <see cref="CausalAlignment.Past"/>, and of a window that is not causal.</summary>
    public int PastLength { get; init; }

    /// <summary>Sliding window; null means unbounded on both sides.</summary>
    public AttentionWindow? Window { get; init; }

    /// <summary>Buckets of the relative bias table; null without one.</summary>
    public RelativePositionBuckets? RelativeBuckets { get; init; }

    /// <summary>p in [0, 1): share of the weights that dropout sets to 0, the others being divided
    /// by 1 − p; 0 outside training.</summary>
    public double DropoutProbability { get; init; }

    /// <summary>Tells this dropout from the others of a model.</summary>
    public uint DropoutStream { get; init; }

    /// <summary>The scale with the default filled in.</summary>
    /// <param name="headDimension">D.</param>
    public double EffectiveScale(int headDimension) =>
        Scale == 0 ? 1 / Math.Sqrt(headDimension) : Scale;

    /// <summary>Where query 0 of a sequence stands among its keys: query i stands at i + offset.
    /// May be negative.</summary>
    /// <param name="queries">Queries of the sequence.</param>
    /// <param name="keys">Its keys: keyLengths[b] where lengths are given.</param>
    public long PositionOffset(int queries, int keys) => Causal switch
    {
        CausalAlignment.BottomRight => (long)keys - queries,
        CausalAlignment.TopLeft => 0,
        _ => PastLength,
    };
}
