using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// An attention call as the CPU vector kernels want it: operands, the visibility rules reduced to
/// an interval of keys for each query, and what else changes scores.
/// </summary>
internal readonly struct AttentionProblem
{
    public readonly AttentionSequences Sequences;
    public readonly AttentionOperand Query;
    public readonly AttentionOperand Key;
    public readonly AttentionOperand Value;
    public readonly AttentionBias Bias;
    public readonly AttentionMasks Masks;
    public readonly AttentionTerms Terms;
    public readonly AttentionKeep Dropout;

    /// <summary>The call's; unless scores are written, with the lengths that sequences have: of
    /// packed or paged ones the call may give a larger number.</summary>
    public readonly AttentionSizes Sizes;

    public readonly float Scale;
    public readonly float SoftCap;

    /// <summary>Query heads of a key/value head.</summary>
    public readonly int Group;

    /// <summary>True when later queries see more keys than earlier ones.</summary>
    public readonly bool IsCausal;

    /// <summary>Reads a valid call; throws where the integers behind its pointers are not.
    /// </summary>
    /// <param name="inputs">The call's inputs.</param>
    /// <param name="terms">Scratch of <see cref="AttentionTerms.Bytes"/> bytes, kept for the call.
    /// </param>
    /// <param name="writesKeys">The call writes gradients of keys.</param>
    /// <param name="writesScores">The call writes [B, Hq, Sq, Skv].</param>
    public AttentionProblem(
        in AttentionInputs inputs, HostBlock terms, bool writesKeys, bool writesScores = false)
    {
        Sequences = new(inputs, writesKeys);
        Sizes = writesScores ? inputs.Sizes : Sequences.Shortened();
        Query = new(inputs.Query, inputs.EffectiveQueryStrides, Sizes.HeadDimension);
        Key = new(inputs.Key, inputs.EffectiveKeyStrides, Sizes.HeadDimension);
        Value = new(inputs.Value, inputs.EffectiveValueStrides, Sizes.ValueDimension);
        Bias = new(inputs);
        Masks = new(inputs);
        Terms = new(inputs, terms);
        Dropout = new(inputs);
        Scale = (float)inputs.Options.EffectiveScale(Sizes.HeadDimension);
        SoftCap = (float)inputs.Options.SoftCap;
        Group = Sizes.QueryHeads / Sizes.KeyValueHeads;
        IsCausal = inputs.Options.Causal != CausalAlignment.None;
    }

    /// <summary>True when scores need more than a scale and an interval.</summary>
    public bool ShapesScores => ChangesScores || Masks.ArePresent;

    /// <summary>True when visible scores need more than a scale.</summary>
    public bool ChangesScores => SoftCap > 0 || Bias.IsPresent || Terms.ArePresent;

    /// <summary>At most one register block of rows reads each key: scores are then dot products
    /// on the keys in place, in the output pass and in the score writer alike, so that both
    /// see the same bits.</summary>
    public bool HasFewRows => (long)Group * Sizes.QueryLength <= AttentionMultiply.Rows;

    /// <summary>Floats of scratch that reading one tile of keys and values takes.</summary>
    public long TileScratch =>
        Key.NeedsScratch(Sequences) || Value.NeedsScratch(Sequences)
            ? (long)AttentionTile.Keys * Math.Max(Sizes.HeadDimension, Sizes.ValueDimension) : 0;

    /// <summary>Why a CPU vector kernel cannot take these buffers; null when it can.</summary>
    public static string? Unsupported(in AttentionInputs inputs) =>
        TooManyRows(inputs.Sizes) ??
        SimdSupport.Storage("query", inputs.Query) ?? SimdSupport.Storage("key", inputs.Key) ??
        SimdSupport.Storage("value", inputs.Value) ?? SimdSupport.Storage("bias", inputs.Bias) ??
        SimdSupport.Storage("alibiSlopes", inputs.AlibiSlopes) ??
        SimdSupport.Storage("relativeBias", inputs.RelativeBias) ??
        SimdSupport.Storage("sinks", inputs.Sinks);

    private static string? TooManyRows(AttentionSizes s)
    {
        long rows = (long)(s.QueryHeads / Math.Max(1, s.KeyValueHeads)) * s.QueryLength;
        return rows <= int.MaxValue ? null
            : $"counts the query rows of a key head in 32 bits; {rows} are given";
    }

    /// <summary>The reason where a score modifier cannot be differentiated.</summary>
    public static string? NoDerivative(ScoreModifier? score) =>
        score is null || score.IsDifferentiable ? null
            : $"score modifier '{score.Name}' has no derivative; implement " +
                nameof(IDifferentiableScoreModifier);
}

/// <summary>Sizes of the tiles that the vector kernels work on.</summary>
internal static class AttentionTile
{
    /// <summary>Keys of a tile.</summary>
    public const int Keys = 64;
}

/// <summary>Hands out consecutive, 64-byte aligned parts of one scratch block.</summary>
internal unsafe struct ScratchCarver(HostBlock block)
{
    private nint next = block.Address;
    private readonly nint end = block.Address + (nint)block.Size;

    /// <summary>Bytes that parts of so many floats each take, padding included.</summary>
    public static long Bytes(params ReadOnlySpan<long> counts)
    {
        long bytes = 0;
        foreach (long count in counts)
        {
            bytes += ((count * sizeof(float)) + HostMemory.Alignment - 1) &
                ~(HostMemory.Alignment - 1L);
        }

        return bytes;
    }

    /// <summary>The next part.</summary>
    /// <exception cref="InvalidOperationException">The block is too small: whoever rented it did
    /// not count this part.</exception>
    public float* Take(long count)
    {
        nint taken = next;
        next += (nint)Bytes(count);
        if (next > end) throw new InvalidOperationException("A scratch block is too small.");
        return (float*)taken;
    }
}
