using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a rotary embedding.</summary>
/// <param name="Batch">B: sequences.</param>
/// <param name="Heads">H.</param>
/// <param name="Length">S: positions of a sequence.</param>
/// <param name="HeadDimension">D.</param>
public readonly record struct RotarySizes(int Batch, int Heads, int Length, int HeadDimension);

/// <summary>What forward and backward of a rotary embedding have in common.</summary>
public readonly record struct RotaryInputs
{
    /// <summary>Cosines and sines, rotary dimension, layout of the pairs.</summary>
    public RotaryTables Tables { get; init; }

    /// <summary>[B, S] Int32: the table row of each token; optional, and absent where the tables
    /// are gathered.</summary>
    public BufferView PositionIds { get; init; }

    /// <summary>Without ids, token s has the position PositionOffset + s.</summary>
    public int PositionOffset { get; init; }

    /// <summary>Sizes.</summary>
    public RotarySizes Sizes { get; init; }

    /// <summary>Of the input and its gradient; default: contiguous [B, H, S, D].</summary>
    public AttentionStrides InputStrides { get; init; }

    /// <summary>Of the output and its gradient; default: contiguous [B, H, S, D].</summary>
    public AttentionStrides OutputStrides { get; init; }

    /// <summary>Input strides with the default filled in.</summary>
    public AttentionStrides EffectiveInputStrides => Filled(InputStrides);

    /// <summary>Output strides with the default filled in.</summary>
    public AttentionStrides EffectiveOutputStrides => Filled(OutputStrides);

    /// <summary>R with the default filled in.</summary>
    public int EffectiveRotaryDimension => Tables.EffectiveRotaryDimension(Sizes.HeadDimension);

    private AttentionStrides Filled(AttentionStrides strides) => strides != default ? strides
        : AttentionStrides.HeadMajor(Sizes.Heads, Sizes.Length, Sizes.HeadDimension);
}

/// <summary>
/// Rotates each pair (x₁, x₂) of a head by an angle that grows with the position:
/// (cos·x₁ − sin·x₂, sin·x₁ + cos·x₂).
/// </summary>
/// <remarks>Su et al. 2021 (RoFormer), eq. 34; semantics of ai.onnx RotaryEmbedding, opset 23.
/// </remarks>
public readonly record struct RotaryEmbeddingForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "RotaryEmbedding";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>Tables, positions, sizes and strides.</summary>
    public RotaryInputs Inputs { get; init; }

    /// <summary>[B, H, S, D], InputStrides.</summary>
    public BufferView Input { get; init; }

    /// <summary>[B, H, S, D], OutputStrides; may be the input itself, with its strides.</summary>
    public BufferView Output { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        RotaryChecks.Inputs(Inputs);
        RotaryChecks.Pair(Inputs, ("input", Input, Inputs.EffectiveInputStrides),
            ("output", Output, Inputs.EffectiveOutputStrides));
    }

    internal RotaryPass Pass => new(Inputs, Input, Inputs.EffectiveInputStrides, Output,
        Inputs.EffectiveOutputStrides, Inverse: false);
}

/// <summary>The transposed rotation of the output's gradient; the tables get none.</summary>
public readonly record struct RotaryEmbeddingBackward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "RotaryEmbedding";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Backward;

    /// <summary>Tables, positions, sizes and strides of the forward call.</summary>
    public RotaryInputs Inputs { get; init; }

    /// <summary>[B, H, S, D], OutputStrides.</summary>
    public BufferView OutputGradient { get; init; }

    /// <summary>[B, H, S, D], InputStrides, overwritten; may be the output's gradient itself, with
    /// its strides.</summary>
    public BufferView InputGradient { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        RotaryChecks.Inputs(Inputs);
        RotaryChecks.Pair(Inputs,
            ("outputGradient", OutputGradient, Inputs.EffectiveOutputStrides),
            ("inputGradient", InputGradient, Inputs.EffectiveInputStrides));
    }

    internal RotaryPass Pass => new(Inputs, OutputGradient, Inputs.EffectiveOutputStrides,
        InputGradient, Inputs.EffectiveInputStrides, Inverse: true);
}

/// <summary>What is read, what is written and which way it turns: either call.</summary>
internal readonly record struct RotaryPass(
    RotaryInputs Inputs, BufferView Source, AttentionStrides SourceStrides, BufferView Target,
    AttentionStrides TargetStrides, bool Inverse)
{
    /// <summary>Requires every id to be a row of the tables.</summary>
    public void CheckPositions() => IdCheck.InRange(
        RotaryEmbeddingForward.Op, "positionIds", Inputs.PositionIds, Inputs.Tables.MaxPositions);
}

internal static class RotaryChecks
{
    private const string Op = "RotaryEmbedding";

    public static void Inputs(in RotaryInputs inputs)
    {
        RotarySizes s = inputs.Sizes;
        OpCheck.NotNegative(Op, nameof(s.Batch), s.Batch);
        OpCheck.NotNegative(Op, nameof(s.Length), s.Length);
        OpCheck.Positive(Op, nameof(s.Heads), s.Heads);
        OpCheck.Positive(Op, nameof(s.HeadDimension), s.HeadDimension);
        OpCheck.NotNegative(Op, nameof(RotaryTables.MaxPositions), inputs.Tables.MaxPositions);
        bool gathered = inputs.Tables.MaxPositions == 0;
        long tokens = OpCheck.Count(s.Batch, s.Length);
        inputs.Tables.Validate(
            Op, s.HeadDimension, gathered ? tokens : inputs.Tables.MaxPositions);
        OpCheck.ExactlyOrAbsent(
            Op, "positionIds", inputs.PositionIds, tokens, $"[{s.Batch}, {s.Length}]");
        OpCheck.IsInt32(Op, "positionIds", inputs.PositionIds);
        if (gathered && (inputs.PositionIds.IsPresent || inputs.PositionOffset != 0))
        {
            string argument = inputs.PositionIds.IsPresent ? "positionIds" : "PositionOffset";
            OpCheck.Throw(Op, $"'{argument}' is given with gathered tables; expected none. Set " +
                "'MaxPositions' to the number of positions in the tables.");
        }

        if (gathered || inputs.PositionIds.IsPresent) return;
        long last = (long)inputs.Tables.MaxPositions - s.Length;
        if (inputs.PositionOffset >= 0 && inputs.PositionOffset <= last) return;
        OpCheck.Throw(Op, $"'PositionOffset' is {inputs.PositionOffset}; expected 0 to {last}, " +
            $"so that {s.Length} positions fit tables of {inputs.Tables.MaxPositions}. Make " +
            "larger tables with RotaryTable.Fill.");
    }

    public static void Pair(
        in RotaryInputs inputs, (string Name, BufferView View, AttentionStrides Strides) source,
        (string Name, BufferView View, AttentionStrides Strides) target)
    {
        RotarySizes s = inputs.Sizes;
        (int Outer, int Rows) extent = (s.Batch, s.Length);
        StridedCheck.Read(Op, source.Name, source.View, source.Strides, extent, s.Heads,
            s.HeadDimension);
        StridedCheck.Written(Op, target.Name, target.View, target.Strides, extent, s.Heads,
            s.HeadDimension);
        OpCheck.NoOverlap(Op, target.Name, target.View, source.Name, source.View,
            inPlaceAllowed: source.Strides == target.Strides);
        OpCheck.Apart(Op, [(target.Name, target.View)], [("cosines", inputs.Tables.Cosines),
            ("sines", inputs.Tables.Sines), ("positionIds", inputs.PositionIds)]);
    }
}
